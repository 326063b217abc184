import type { LowerFiles } from "./lower-files.ts";
import type { UnpackLimits } from "./unpack-limits.ts";

/** What `.wh.` entries of an image's layer become. */
export type Whiteouts =
  /** Ordinary files, as in an archive that is no layer. */
  | "keep"
  /** Removals in the tree below: what the layer itself brought stays. */
  | "apply"
  /** overlayfs's own whiteouts (a device 0,0, an attribute), for a layer that has a directory of its own. */
  | "overlay";

/** How an archive is unpacked. */
export interface UnpackOptions {
  /** Where to: an existing directory, reached by the trusted path of the host. */
  readonly rootHostPath: string;
  /** The archive: path of a file on the host, or its bytes. Compression is detected. */
  readonly source: string | AsyncIterable<Uint8Array>;
  /** Expected digest of the archive as it is, 64 hexadecimal digits. */
  readonly sha256?: string | undefined;
  /** Expected digest of the archive as it is after decompression, as `sha256:` or `sha512:` and hexadecimal digits. */
  readonly contentDigest?: string | undefined;
  /**
   * Whose the files are: as the archive says, the caller's, or what a function makes of the archive's ids. Default: the
   * archive's for root, else the caller's.
   */
  readonly owner?: "archive" | "caller" | ((owner: { uid: number; gid: number }) => { uid: number; gid: number });
  /** Whether device nodes are made, left out and reported, or an error. Default "skip"; making them needs root. */
  readonly devices?: "create" | "skip" | "refuse";
  /** Default "keep". */
  readonly whiteouts?: Whiteouts;
  /** The attribute that marks an opaque directory where `whiteouts` is "overlay"; rootless needs `user.overlay.opaque`. */
  readonly opaqueXattr?: "trusted.overlay.opaque" | "user.overlay.opaque";
  /** Whether a link to a directory stays where the archive has a directory of its name. Default false: it is replaced. */
  readonly keepDirectoryLinks?: boolean;
  /**
   * Where files are found that a layer's hard links name and the layer itself has not: they are copied into it. To be given
   * together with `whiteouts: "overlay"`, where the layers below lie in directories of their own.
   */
  readonly lower?: LowerFiles | undefined;
  readonly limits?: Partial<UnpackLimits>;
  /** Stops between two pieces of the archive. */
  readonly signal?: AbortSignal | undefined;
  /** Told how many bytes of the archive, compressed as it is, were read so far. */
  readonly onRead?: ((totalBytes: number) => void) | undefined;
}

/** Something of an archive that was left out, with the reason. */
export interface SkippedPart {
  /** Path of the entry, in text as far as it is text. */
  readonly path: string;
  /** The device, or the name of the extended attribute. */
  readonly part: string;
  /** Errno, or "policy". */
  readonly reason: string;
}

/** What was unpacked. */
export interface UnpackResult {
  readonly entries: number;
  /** Size of all files together, holes included. */
  readonly totalBytes: number;
  /** The first thousand things that were left out. */
  readonly skipped: readonly SkippedPart[];
  /**
   * Paths of directories that the archive has no entry for, parents first: they were made for what lies below them, with
   * the caller's owner and mode 0755. The empty path is the root itself.
   */
  readonly impliedDirectories: readonly Buffer[];
  /** Where the mode "overlay" of `whiteouts` has made whiteouts, some of which may be gone again. */
  readonly whiteouts: readonly Buffer[];
}
