import { quote, RunletError } from "@runlet/errors";
import type { ManifestContent } from "../transfer.ts";
import type { HttpResponse } from "./http-client.ts";
import { readBody } from "./limited-body.ts";
import { manifestTypeOf } from "./manifest-type.ts";

/** The longest manifest that is read: what the distribution specification wants registries to take. */
const manifestLimitBytes = 4 * 1024 * 1024;

/** Algorithms of digests that are known, and of which node:crypto has the same name. */
const algorithms: readonly string[] = ["sha256", "sha512"];

/**
 * Reads a manifest and checks it against the digest that was asked for, or the one that the registry names.
 *
 * @throws RunletError `ERR_RUNLET_IMAGE` for a manifest of another digest or of a type that is not known.
 */
export async function readManifestAnswer(response: HttpResponse, reference: string): Promise<ManifestContent> {
  const bytes = await readBody(response, { limitBytes: manifestLimitBytes, what: "the manifest" });
  const from = quote(response.url.host);
  const isDigest = reference.includes(":");
  const expected = isDigest ? reference : response.header("docker-content-digest");
  const [algorithm = ""] = (expected ?? "sha256:").split(":");
  if (!algorithms.includes(algorithm)) {
    throw new RunletError(
      "ERR_RUNLET_IMAGE",
      `${from} names a manifest by an unknown algorithm: ${quote(expected ?? "")}`,
    );
  }
  const { createHash } = await import("node:crypto");
  const digest = `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
  if (expected !== undefined && expected !== digest) {
    throw new RunletError(
      "ERR_RUNLET_IMAGE",
      `the manifest of ${quote(reference)} that ${from} gives has the digest ${digest}, not ${quote(expected)}`,
    );
  }
  const mediaType = manifestTypeOf(parse(bytes), response.header("content-type"));
  if (mediaType === undefined) {
    throw new RunletError(
      "ERR_RUNLET_IMAGE",
      `the manifest of ${quote(reference)} that ${from} gives is of no known type: ${quote(response.header("content-type") ?? "")}`,
      { hint: "image manifests and indexes of the OCI and Docker's schema 2 are known" },
    );
  }
  return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
