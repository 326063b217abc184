import { spawn } from "node:child_process";
import { RunletError } from "@runlet/errors";

/** How an archive is compressed. */
export type Compression = "none" | "gzip" | "zstd" | "xz";

const magics: readonly (readonly [Compression, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
];

/**
 * What the first bytes of a file say. What begins with a skippable frame of zstd (magic 0x184D2A50 to 0x184D2A5F, also used by
 * LZ4) is taken for zstd.
 *
 * @see RFC 8878, section 3.1.2
 */
export function detectCompression(head: Uint8Array): Compression {
  if (((head[0] ?? 0) & 0xf0) === 0x50 && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18) return "zstd";
  for (const [compression, magic] of magics) {
    if (magic.every((byte, index) => head[index] === byte)) return compression;
  }
  return "none";
}

/** Node's zlib from 22.15 on. */
interface ZlibWithZstd {
  createZstdDecompress(options: { chunkSize: number }): NodeJS.ReadWriteStream;
}

function hasZstd(zlib: object): zlib is ZlibWithZstd {
  return "createZstdDecompress" in zlib;
}

type Source = AsyncIterable<Uint8Array>;
type Decompressor = (source: Source) => Source | Promise<Source>;

/** A decompressed stream says of its failures whose they are: ours to report, or the source's to pass on. */
const decompressors: Readonly<Record<Exclude<Compression, "none">, Decompressor>> = {
  gzip: async (source) => {
    const { createGunzip } = await import("node:zlib");
    return pipe(source, createGunzip({ chunkSize: 1 << 18 }));
  },
  zstd: async (source) => {
    const zlib: object = await import("node:zlib");
    if (hasZstd(zlib)) return pipe(source, zlib.createZstdDecompress({ chunkSize: 1 << 18 }));
    return decompressZstd(source);
  },
  xz: (source) => decompressXz(source),
};

/**
 * Decompresses a stream by what it begins with; concatenated gzip members and zstd frames are one stream.
 *
 * gzip by `node:zlib`, zstd by it where it can (Node 22.15 on, Bun) and elsewhere in JavaScript, xz by the system's `xz`.
 *
 * @throws RunletError `ERR_RUNLET_ARCHIVE` for damaged data, `ERR_RUNLET_HOST` if there is no `xz`; and what the source throws.
 */
export async function* decompress(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  let headBytes = 0;
  while (headBytes < 6) {
    const { done, value } = await iterator.next();
    if (done === true) break;
    head.push(value);
    headBytes += value.length;
  }
  const compression = detectCompression(head.length === 1 ? (head[0] ?? new Uint8Array()) : Buffer.concat(head));
  const failure: { error?: unknown } = {};
  async function* whole(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* head;
      for (;;) {
        const { done, value } = await iterator.next();
        if (done === true) return;
        yield value;
      }
    } catch (error) {
      failure.error = error;
      throw error;
    } finally {
      await iterator.return?.();
    }
  }
  if (compression === "none") return yield* whole();
  try {
    yield* await decompressors[compression](whole());
  } catch (error) {
    if (failure.error !== undefined || error instanceof RunletError || !isDecompressionError(error)) throw error;
    throw new RunletError("ERR_RUNLET_ARCHIVE", `damaged archive: its ${compression} data cannot be read`, {
      explanation: error instanceof Error ? error.message : String(error),
      cause: error,
    });
  }
}

/** What xz may use: the largest preset takes 65 MiB, while an archive could ask for 4 GiB. */
const xzMemoryBytes = 512 << 20;

const decompressionFailure = Symbol("decompressionFailure");

function isDecompressionError(error: unknown): boolean {
  return typeof error === "object" && error !== null && decompressionFailure in error;
}

function marked(error: Error): Error {
  return Object.assign(error, { [decompressionFailure]: true });
}

/** Sends a source through a transform of Node's, with its backpressure. */
async function pipe(source: Source, transform: NodeJS.ReadWriteStream): Promise<Source> {
  const { pipeline, Readable } = await import("node:stream");
  transform.on("error", marked);
  pipeline(Readable.from(source, { objectMode: true, highWaterMark: 1 }), transform, () => {});
  return transform as unknown as Source;
}

async function* decompressZstd(source: Source): AsyncGenerator<Uint8Array, void, undefined> {
  const { Decompress } = await import("fzstd");
  let output: Uint8Array[] = [];
  const decompressor = new Decompress((chunk) => void output.push(chunk));
  const attempt = (run: () => void) => {
    try {
      run();
    } catch (error) {
      throw error instanceof Error ? marked(error) : error;
    }
  };
  for await (const chunk of source) {
    attempt(() => decompressor.push(chunk));
    yield* output;
    output = [];
  }
  attempt(() => decompressor.push(new Uint8Array(), true));
  yield* output;
}

async function* decompressXz(source: Source): AsyncGenerator<Uint8Array, void, undefined> {
  const { pipeline, Readable } = await import("node:stream");
  const { PATH } = process.env;
  const child = spawn("xz", ["--decompress", "--stdout", "--quiet", `--memlimit-decompress=${xzMemoryBytes}`], {
    stdio: ["pipe", "pipe", "pipe"],
    // Neither options (XZ_OPT) nor a language of its own.
    env: { PATH, LC_ALL: "C" },
  });
  let complaint = "";
  child.stderr.on("data", (chunk: Buffer) => {
    if (complaint.length < 1000) complaint += chunk.toString();
  });
  const exit = new Promise<number | Error>((resolve) => {
    child.on("error", resolve);
    child.on("close", (code) => resolve(code ?? 1));
  });
  pipeline(Readable.from(source, { objectMode: true, highWaterMark: 1 }), child.stdin, () => {});
  try {
    yield* child.stdout as AsyncIterable<Uint8Array>;
    const result = await exit;
    if (result instanceof Error)
      throw new RunletError("ERR_RUNLET_HOST", "cannot read an archive compressed by xz: there is no xz on this host", {
        hint: "install xz-utils, or decompress the archive first",
        cause: result,
      });
    if (result !== 0) throw marked(new Error(complaint.trim() || `xz ended with ${result}`));
  } finally {
    child.kill();
  }
}
