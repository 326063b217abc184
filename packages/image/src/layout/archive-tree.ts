import { closeSync, constants, fstatSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isRunletError, quote, RunletError } from "@runlet/errors";
import { type Compression, decompress, detectCompression } from "@runlet/rootfs";
import { type ArchiveEntry, ArchiveReader, blockBytes } from "@runlet/tar";
import type { ReadOptions } from "../transfer.ts";
import { type FileTree, missingFile, readError, readRange } from "./file-tree.ts";

/** Files of more entries are no archives of images. */
const maxEntries = 100_000;
/** Longer chains of links nobody writes. */
const maxLinks = 8;
/** The kernel's limit of a path. */
const maxPathBytes = 4096;
/** A compressed archive may be so many times larger, which counts from so many bytes on; zeros by gzip are 1030 times. */
const maxRatio = 1100;
const ratioFloorBytes = 16 << 20;

type Node =
  | { readonly kind: "file"; readonly start: number; readonly sizeBytes: number }
  | { readonly kind: "link"; readonly target: string };

/**
 * The files of a tar archive, read where they lie. A compressed archive is decompressed to a nameless file first, as its
 * files are not read in the order in which they lie.
 */
export class ArchiveTree implements FileTree {
  readonly name: string;
  readonly #fd: number;
  readonly #nodes: ReadonlyMap<string, Node>;

  private constructor(options: { name: string; fd: number; nodes: ReadonlyMap<string, Node> }) {
    this.name = options.name;
    this.#fd = options.fd;
    this.#nodes = options.nodes;
  }

  /**
   * Opens an archive: plain, or compressed by gzip, zstd or xz.
   *
   * @throws RunletError `ERR_RUNLET_IMAGE` if there is none, or it is damaged.
   */
  static async open(hostPath: string): Promise<ArchiveTree> {
    let fd: number | undefined;
    try {
      fd = openSync(hostPath, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
      if (!fstatSync(fd).isFile())
        throw new RunletError("ERR_RUNLET_IMAGE", `${quote(hostPath)} is no regular file`, {
          hint: "write what comes from a pipe to a file first",
        });
      if (compressionOf(fd) !== "none") {
        const compressedFd = fd;
        fd = undefined;
        fd = await spool(compressedFd);
      }
      return new ArchiveTree({ name: hostPath, fd, nodes: await readNodes(fd) });
    } catch (error) {
      if (fd !== undefined) closeSync(fd);
      if (!isRunletError(error) || error.code !== "ERR_RUNLET_ARCHIVE") throw readError(hostPath, error);
      const { explanation, hint, details } = error;
      throw new RunletError("ERR_RUNLET_IMAGE", `cannot read ${quote(hostPath)}: ${error.message}`, {
        explanation,
        hint,
        details,
        cause: error,
      });
    }
  }

  sizeIfExists(path: string): number | undefined {
    return this.#find(path)?.sizeBytes;
  }

  async *stream(path: string, options: ReadOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    const node = this.#find(path);
    if (node === undefined) throw missingFile(this.name, path);
    const { offsetBytes = 0, signal } = options;
    try {
      yield* readRange(this.#fd, { start: node.start + offsetBytes, end: node.start + node.sizeBytes, signal });
    } catch (error) {
      throw readError(this.name, error);
    }
  }

  #find(path: string): Extract<Node, { kind: "file" }> | undefined {
    let node = this.#nodes.get(normalize(path));
    for (let links = 0; node?.kind === "link" && links < maxLinks; links++) node = this.#nodes.get(node.target);
    return node?.kind === "file" ? node : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    closeSync(this.#fd);
  }
}

function compressionOf(fd: number): Compression {
  const head = Buffer.alloc(6);
  return detectCompression(head.subarray(0, readSync(fd, head, 0, head.length, 0)));
}

/** Decompresses into a file without a name. The descriptor that is given is closed, the one that is returned the caller's. */
async function spool(compressedFd: number): Promise<number> {
  let fd: number | undefined;
  try {
    fd = openNameless();
    let position = 0;
    const end = fstatSync(compressedFd).size;
    for await (const chunk of limitRatio(decompress(readRange(compressedFd, { start: 0, end })), end)) {
      writeAt(fd, chunk, position);
      position += chunk.length;
    }
    return fd;
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    throw error;
  } finally {
    closeSync(compressedFd);
  }
}

/** A file of the temporary directory's that nobody else can open, and that is gone when it is closed. */
function openNameless(): number {
  try {
    const directory = mkdtempSync(join(tmpdir(), "runlet-image-"));
    try {
      return openSync(join(directory, "archive.tar"), constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  } catch (error) {
    throw spoolError(error);
  }
}

function writeAt(fd: number, chunk: Uint8Array, position: number): void {
  try {
    for (let done = 0; done < chunk.length; ) done += writeSync(fd, chunk, done, chunk.length - done, position + done);
  } catch (error) {
    throw spoolError(error);
  }
}

/** It is the temporary directory that is at fault, not the archive. */
function spoolError(error: unknown): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  const isFull = code === "ENOSPC" || code === "EDQUOT";
  return new RunletError("ERR_RUNLET_IMAGE", `cannot decompress the archive into a file in ${quote(tmpdir())}`, {
    syscall,
    errno: code,
    hint: `${isFull ? "free some space there, or " : ""}name another directory in TMPDIR`,
    cause: error,
  });
}

/**
 * Passes what was decompressed on, up to what is plausible.
 *
 * @param compressedBytes - size of what it was decompressed from.
 * @throws RunletError `ERR_RUNLET_IMAGE` beyond it.
 */
export async function* limitRatio(
  source: AsyncIterable<Uint8Array>,
  compressedBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const limitBytes = Math.max(ratioFloorBytes, compressedBytes * maxRatio);
  let done = 0;
  for await (const chunk of source) {
    done += chunk.length;
    if (done > limitBytes)
      throw new RunletError(
        "ERR_RUNLET_IMAGE",
        `what is compressed becomes more than ${maxRatio} times larger by decompression`,
        { hint: "decompress it first, if it is to be trusted" },
      );
    yield chunk;
  }
}

async function readNodes(fd: number): Promise<ReadonlyMap<string, Node>> {
  const nodes = new Map<string, Node>();
  const reader = new ArchiveReader({
    entry: (entry) => {
      const path = normalize(entry.path.subarray(0, maxPathBytes).toString());
      const node = nodeOf(entry, path);
      if (node === undefined) nodes.delete(path);
      else nodes.set(path, node);
      if (nodes.size > maxEntries)
        throw new RunletError("ERR_RUNLET_IMAGE", `the archive has more than ${maxEntries} entries`);
    },
    data: () => {},
    end: () => {},
  });
  for await (const chunk of readRange(fd, { start: 0, end: fstatSync(fd).size })) reader.push(chunk);
  reader.finish();
  return nodes;
}

function nodeOf(entry: ArchiveEntry, path: string): Node | undefined {
  const { type, sizeBytes, archiveOffset, dataRanges, linkTarget } = entry;
  if (entry.path.length > maxPathBytes || linkTarget.length > maxPathBytes) return undefined;
  if (type === "file" && dataRanges === undefined)
    return { kind: "file", start: archiveOffset + blockBytes, sizeBytes };
  if (type === "hard-link") return { kind: "link", target: normalize(linkTarget.toString()) };
  // Docker writes a layer that several images share once, and links to it.
  if (type === "symbolic-link") return { kind: "link", target: normalize(`${path}/../${linkTarget}`) };
  return undefined;
}

/** A path inside an archive, without what leads nowhere; `..` at the root stays there. */
function normalize(path: string): string {
  const components: string[] = [];
  for (const component of path.split("/")) {
    if (component === "..") components.pop();
    else if (component !== "" && component !== ".") components.push(component);
  }
  return components.join("/");
}
