import { close, open, read } from "node:fs";
import { quote, RunletError } from "@runlet/errors";
import { ArchiveReader } from "@runlet/tar";
import { decompress, detectCompression } from "./decompress.ts";
import { errnoOf, RootDirectory } from "./root-directory.ts";
import { defaultUnpackLimits, type UnpackLimits } from "./unpack-limits.ts";
import type { UnpackOptions, UnpackResult } from "./unpack-options.ts";
import { Unpacker } from "./unpacker.ts";

/** Each is read on another thread, to which a smaller one would not be worth turning. */
const chunkBytes = 1 << 20;
/** From here on the ratio counts. */
const ratioFloorBytes = 16 << 20;

/**
 * Unpacks a tar archive (plain, gzip, zstd or xz) below a directory, whatever the archive holds: every path is resolved
 * inside it by the kernel, no link is followed out, no `..` is taken, and size, number and depth have limits. Of entries of
 * one name the last one stays.
 *
 * After an error most of what came before it is there: unpack into a directory that can be thrown away.
 *
 * @throws RunletError `ERR_RUNLET_ARCHIVE` for a damaged or hostile archive, a wrong digest or a file system that refuses,
 *   `ERR_RUNLET_ROOTFS` if there is no such directory, `ERR_RUNLET_ABORTED` by the signal.
 */
export async function unpackArchive(options: UnpackOptions): Promise<UnpackResult> {
  const limits: UnpackLimits = { ...defaultUnpackLimits, ...options.limits };
  const root = openRoot(options.rootHostPath);
  let unpacker: Unpacker | undefined;
  try {
    unpacker = new Unpacker(root, options, limits);
    const reader = new ArchiveReader(unpacker);
    const meter = await Meter.create(options, limits);
    const file = typeof options.source === "string" ? readHostFile(options.source) : options.source;
    for await (const chunk of decompress(meter.count(file))) {
      meter.check(chunk);
      reader.push(chunk);
    }
    reader.finish();
    meter.finish();
    return unpacker.finish();
  } finally {
    unpacker?.close();
    root.close();
  }
}

function openRoot(rootHostPath: string): RootDirectory {
  try {
    return RootDirectory.open(rootHostPath);
  } catch (error) {
    throw new RunletError("ERR_RUNLET_ROOTFS", `cannot unpack to ${quote(rootHostPath)}`, {
      syscall: "open",
      errno: errnoOf(error),
      hint: "name a directory that exists",
      cause: error,
    });
  }
}

interface Hash {
  update(bytes: Uint8Array): unknown;
  digest(encoding: "hex"): string;
}

/** Counts, hashes and limits what flows by. */
class Meter {
  readonly #options: UnpackOptions;
  readonly #limits: UnpackLimits;
  readonly #hash: Hash | undefined;
  readonly #contentHash: Hash | undefined;
  #inBytes = 0;
  #outBytes = 0;

  constructor(
    options: UnpackOptions,
    limits: UnpackLimits,
    hashes: { archive?: Hash | undefined; content?: Hash | undefined },
  ) {
    this.#options = options;
    this.#limits = limits;
    this.#hash = hashes.archive;
    this.#contentHash = hashes.content;
  }

  static async create(options: UnpackOptions, limits: UnpackLimits): Promise<Meter> {
    const { sha256, contentDigest } = options;
    if (sha256 === undefined && contentDigest === undefined) return new Meter(options, limits, {});
    if (sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(sha256))
      throw new RunletError("ERR_RUNLET_USAGE", `a SHA-256 digest has 64 hexadecimal digits, not ${quote(sha256)}`);
    const algorithm = /^(?:(sha256):[0-9a-f]{64}|(sha512):[0-9a-f]{128})$/.exec(contentDigest ?? "");
    if (contentDigest !== undefined && algorithm === null)
      throw new RunletError("ERR_RUNLET_USAGE", `${quote(contentDigest)} is no SHA-256 or SHA-512 digest`);
    const { createHash } = await import("node:crypto");
    return new Meter(options, limits, {
      archive: sha256 === undefined ? undefined : createHash("sha256"),
      content: algorithm === null ? undefined : createHash(algorithm[1] ?? algorithm[2] ?? ""),
    });
  }

  async *count(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of source) {
      this.#inBytes += chunk.length;
      this.#hash?.update(chunk);
      this.#options.onRead?.(this.#inBytes);
      yield chunk;
    }
  }

  check(chunk: Uint8Array): void {
    if (this.#options.signal?.aborted === true)
      throw new RunletError("ERR_RUNLET_ABORTED", "unpacking was aborted", { cause: this.#options.signal.reason });
    this.#outBytes += chunk.length;
    this.#contentHash?.update(chunk);
    const { ratio } = this.#limits;
    if (this.#outBytes > ratioFloorBytes && this.#outBytes > this.#inBytes * ratio)
      throw new RunletError(
        "ERR_RUNLET_ARCHIVE",
        `the archive becomes more than ${ratio} times larger by decompression`,
        {
          hint: "raise the limit if the archive is to be trusted",
        },
      );
  }

  finish(): void {
    this.#finishContent();
    const { sha256 } = this.#options;
    if (this.#hash === undefined || sha256 === undefined) return;
    const digest = this.#hash.digest("hex");
    if (digest === sha256.toLowerCase()) return;
    throw new RunletError("ERR_RUNLET_ARCHIVE", `the archive's SHA-256 digest is ${digest}, not ${sha256}`, {
      hint: "download it again, or check where the digest comes from",
      details: { expected: sha256, actual: digest },
    });
  }

  #finishContent(): void {
    const { contentDigest: expected } = this.#options;
    if (this.#contentHash === undefined || expected === undefined) return;
    const actual = `${expected.slice(0, expected.indexOf(":"))}:${this.#contentHash.digest("hex")}`;
    if (actual === expected) return;
    throw new RunletError("ERR_RUNLET_ARCHIVE", `the digest of the archive's content is ${actual}, not ${expected}`, {
      details: { expected, actual },
    });
  }
}

/**
 * Reads a file in large pieces, the next one while the last one is worked on. The pieces of a plain archive lie in two
 * buffers by turns; those of a compressed one pass through streams that hold on to them, so each has its own.
 */
async function* readHostFile(hostPath: string): AsyncGenerator<Uint8Array, void, undefined> {
  let fd: number | undefined;
  try {
    fd = await new Promise<number>((resolve, reject) =>
      open(hostPath, "r", (error, opened) => (error === null ? resolve(opened) : reject(error))),
    );
    const readNext = (openFd: number, buffer: Buffer) =>
      new Promise<Uint8Array>((resolve, reject) =>
        read(openFd, buffer, 0, buffer.length, null, (error, count) =>
          error === null ? resolve(buffer.subarray(0, count)) : reject(error),
        ),
      );
    let current = Buffer.allocUnsafe(chunkBytes);
    let other = Buffer.allocUnsafe(chunkBytes);
    let pending = readNext(fd, current);
    let isPlain: boolean | undefined;
    for (;;) {
      const chunk = await pending;
      if (chunk.length === 0) return;
      isPlain ??= detectCompression(chunk) === "none";
      [current, other] = isPlain ? [other, current] : [Buffer.allocUnsafe(chunkBytes), current];
      pending = readNext(fd, current);
      // Whoever stops early leaves a read behind, whose failure is then nobody's.
      pending.catch(() => {});
      yield chunk;
    }
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    throw new RunletError("ERR_RUNLET_ARCHIVE", `cannot read the archive ${quote(hostPath)}`, {
      syscall: (error as { syscall?: string }).syscall,
      errno: errnoOf(error),
      cause: error,
    });
  } finally {
    if (fd !== undefined) close(fd, () => {});
  }
}
