export { type Bundle, type CreateBundleOptions, createBundle } from "./bundle.ts";
export { type BundleConfig, composeSpec } from "./bundle-config.ts";
export type { BundledFile } from "./bundle-rootfs.ts";
export { type BundleSource, readBundleSource } from "./bundle-source.ts";
export { type Compression, decompress, detectCompression } from "./decompress.ts";
export { DirectoryStack } from "./directory-stack.ts";
export { type ElfFault, type ElfFile, parseElf, type ReadAt } from "./elf.ts";
export { describeHost, describeTarget, type ElfTarget, isRunnable } from "./elf-machine.ts";
export {
  type Diagnosis,
  type DiagnosisReason,
  diagnoseExecutable,
  type Executor,
  type Inspection,
  inspectExecutable,
  type OpenInRoot,
} from "./executable.ts";
export { type Libraries, type LoadedObject, type MissingLibrary, resolveLibraries } from "./library-resolver.ts";
export type { LowerFile, LowerFiles } from "./lower-files.ts";
export { removeTree } from "./remove-tree.ts";
export { RootDirectory } from "./root-directory.ts";
export { unpackArchive } from "./unpack.ts";
export { defaultUnpackLimits, type UnpackLimits } from "./unpack-limits.ts";
export type { SkippedPart, UnpackOptions, UnpackResult, Whiteouts } from "./unpack-options.ts";
