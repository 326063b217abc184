import { closeSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { basename } from "node:path";
import { quote, RunletError } from "@runlet/errors";
import { errnoOf } from "./root-directory.ts";

/** Something that a root filesystem is made from. */
export type BundleSource =
  /** An executable with what it needs; default place `/NAME`. */
  | { readonly kind: "executable"; readonly hostPath: string; readonly containerPath?: string }
  /** Any regular file, copied as it is. */
  | { readonly kind: "file"; readonly hostPath: string; readonly containerPath: string }
  /** The content of a directory: a root filesystem that was made before, or another container's. */
  | { readonly kind: "directory"; readonly hostPath: string; readonly containerPath?: string }
  /** A tar archive: plain, gzip, zstd or xz. `sha256` (64 hexadecimal digits) is that of the file as it is. */
  | { readonly kind: "archive"; readonly hostPath: string; readonly sha256?: string }
  /** A tar archive that is made while it is read, such as the files of a container. */
  | { readonly kind: "stream"; readonly content: AsyncIterable<Uint8Array> };

/**
 * Reads what a person writes after `--from`: `PATH`, or `PATH:/PLACE/IN/CONTAINER` (a place that ends with `/` is a
 * directory to put it in), and looks at the file to see what it is.
 *
 * @param text - as written.
 * @param options.sha256 - expected digest, for an archive.
 * @throws RunletError `ERR_RUNLET_EXECUTABLE` if there is no such file, or it is neither archive nor program and has no place;
 *   `ERR_RUNLET_USAGE` for a digest or place that does not fit.
 */
export function readBundleSource(text: string, options: { sha256?: string } = {}): BundleSource {
  const { hostPath, place } = splitPlace(text);
  const containerPath = place?.endsWith("/") ? `${place}${basename(hostPath)}` : place;
  const kind = detectKind(hostPath, containerPath !== undefined);
  if (options.sha256 !== undefined && kind !== "archive")
    throw new RunletError("ERR_RUNLET_USAGE", `a digest was given for ${quote(hostPath)}, which is no archive`);
  switch (kind) {
    case "archive":
      if (containerPath !== undefined)
        throw new RunletError("ERR_RUNLET_USAGE", `an archive is unpacked at /, not at ${quote(containerPath)}`);
      return { kind, hostPath, ...(options.sha256 === undefined ? {} : { sha256: options.sha256 }) };
    case "file":
      return { kind, hostPath, containerPath: containerPath ?? `/${basename(hostPath)}` };
    default:
      return {
        kind,
        hostPath,
        ...(place === undefined ? {} : { containerPath: kind === "directory" ? place : (containerPath ?? place) }),
      };
  }
}

function splitPlace(text: string): { hostPath: string; place: string | undefined } {
  const match = /^(.+?):(\/.*)$/s.exec(text);
  if (match === null || statSync(text, { throwIfNoEntry: false }) !== undefined)
    return { hostPath: text, place: undefined };
  return { hostPath: match[1] ?? text, place: match[2] };
}

function detectKind(hostPath: string, hasPlace: boolean): Exclude<BundleSource["kind"], "stream"> {
  const { status, head } = lookAt(hostPath);
  if (status.isDirectory()) return "directory";
  if (!status.isFile()) return "executable";
  if (isArchive(head)) return "archive";
  const isProgram = head.toString("latin1", 0, 4) === "\x7fELF" || head.toString("latin1", 0, 2) === "#!";
  const mayBeExecuted = (status.mode & 0o111) !== 0;
  if (hasPlace && !(isProgram && mayBeExecuted)) return "file";
  if (isProgram || mayBeExecuted) return "executable";
  throw new RunletError(
    "ERR_RUNLET_EXECUTABLE",
    `cannot bundle ${quote(hostPath)}: it is neither an archive nor a program`,
    {
      hint: "name an executable file, a directory or a tar archive; any other file needs a place: FILE:/PLACE",
    },
  );
}

function lookAt(hostPath: string): { status: Stats; head: Buffer } {
  try {
    const status = statSync(hostPath);
    return { status, head: status.isFile() ? readHead(hostPath) : Buffer.alloc(0) };
  } catch (error) {
    throw new RunletError("ERR_RUNLET_EXECUTABLE", `cannot bundle ${quote(hostPath)}: it cannot be opened`, {
      syscall: "open",
      errno: errnoOf(error),
      hint: "name an executable file, a directory or a tar archive",
      cause: error,
    });
  }
}

function readHead(hostPath: string): Buffer {
  const fd = openSync(hostPath, "r");
  try {
    const head = Buffer.alloc(512);
    return head.subarray(0, readSync(fd, head, 0, head.length, 0));
  } finally {
    closeSync(fd);
  }
}

const magics: readonly Buffer[] = [
  Buffer.from([0x1f, 0x8b]),
  Buffer.from([0x28, 0xb5, 0x2f, 0xfd]),
  Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]),
];

/** Whether a file starts as a compressed file does, or as a tar archive. */
function isArchive(head: Buffer): boolean {
  return (
    magics.some((magic) => head.subarray(0, magic.length).equals(magic)) ||
    head.toString("latin1", 257, 262) === "ustar"
  );
}
