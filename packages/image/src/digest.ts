import { quote, RunletError } from "@runlet/errors";
import type { Digest } from "@runlet/spec";

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
