import { quote, RunletError } from "@runlet/errors";
import type { Descriptor, Digest } from "@runlet/spec";

/** Algorithms that the image specification registers, with the length of their hash in hexadecimal digits. */
const hashLengths = { sha256: 64, sha512: 128 } as const;

/** A registered algorithm. */
export type DigestAlgorithm = keyof typeof hashLengths;

/** A digest in its two parts. Both are safe as names of files: lower-case letters and digits alone. */
export interface DigestParts {
  readonly algorithm: DigestAlgorithm;
  readonly hex: string;
}

/** Computes a digest piece by piece. */
export interface Hasher {
  update(bytes: Uint8Array): unknown;
  /** To be called once, at the end. */
  digest(): Digest;
}

/** Whether a text is a digest of a registered algorithm, hexadecimal digits in lower case as the specification demands. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === "string" && splitDigest(text) !== undefined;
}

function splitDigest(text: string): DigestParts | undefined {
  const match = /^(sha256|sha512):([0-9a-f]+)$/.exec(text);
  if (match === null) return undefined;
  const algorithm = match[1] as DigestAlgorithm;
  const hex = match[2] ?? "";
  return hex.length === hashLengths[algorithm] ? { algorithm, hex } : undefined;
}

/**
 * The parts of a digest. Nothing else ever becomes the name of a file of the store.
 *
 * @throws RunletError `ERR_RUNLET_IMAGE` for any other text.
 * @see OCI image specification, descriptor.md#digests
 */
export function parseDigest(text: string): DigestParts {
  const parts = splitDigest(text);
  if (parts !== undefined) return parts;
  throw new RunletError("ERR_RUNLET_IMAGE", `${quote(text)} is no digest of a supported algorithm`, {
    hint: "a digest is sha256: and 64 hexadecimal digits in lower case, or sha512: and 128",
  });
}

/** Starts a hash of the algorithm. */
export async function createHasher(algorithm: DigestAlgorithm): Promise<Hasher> {
  const { createHash } = await import("node:crypto");
  const hash = createHash(algorithm);
  return { update: (bytes) => hash.update(bytes), digest: () => `${algorithm}:${hash.digest("hex")}` };
}

/** The digest of bytes. */
export async function digestOf(bytes: Uint8Array | string, algorithm: DigestAlgorithm = "sha256"): Promise<Digest> {
  const { createHash } = await import("node:crypto");
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}

/**
 * The size that a descriptor says.
 *
 * @throws RunletError `ERR_RUNLET_IMAGE` beyond 2^53 bytes.
 */
export function sizeOf({ digest, size }: Pick<Descriptor, "digest" | "size">): number {
  if (Number.isSafeInteger(Number(size)) && size >= 0) return Number(size);
  throw new RunletError("ERR_RUNLET_IMAGE", `the size of ${quote(digest)} is ${quote(String(size))}`);
}

/**
 * Holds bytes to be those of a descriptor.
 *
 * @throws RunletError `ERR_RUNLET_IMAGE` for another size or digest.
 */
export async function checkContent(descriptor: Pick<Descriptor, "digest" | "size">, bytes: Uint8Array): Promise<void> {
  const { digest } = descriptor;
  const size = sizeOf(descriptor);
  if (bytes.length !== size) throw wrongSize(digest, { expected: size, actual: bytes.length });
  const actual = await digestOf(bytes, parseDigest(digest).algorithm);
  if (actual !== digest) throw wrongDigest(digest, actual);
}

/** Content that has another size than its descriptor says. */
export function wrongSize(digest: Digest, sizes: { expected: number; actual: number }): RunletError {
  const { expected, actual } = sizes;
  const how = actual < expected ? `ends after ${actual} of ${expected} bytes` : `is longer than its ${expected} bytes`;
  return new RunletError("ERR_RUNLET_IMAGE", `the content of ${digest} ${how}`, {
    hint: actual < expected ? "try again: what was received is kept" : "the source is damaged: try another one",
    details: { digest, expected, actual },
  });
}

/** Content that has another digest than its descriptor says. */
export function wrongDigest(expected: Digest, actual: Digest): RunletError {
  return new RunletError("ERR_RUNLET_IMAGE", `the content of ${expected} has the digest ${actual}`, {
    hint: "it was damaged on its way, or the source is not to be trusted: try again, or another source",
    details: { digest: expected, actual },
  });
}
