import { quote, RunletError } from "@runlet/errors";
import { digestOf, isDigest, parseDigest } from "../digest.ts";
import { maxManifestBytes, parseManifest } from "../manifest.ts";
import type { ManifestContent } from "../transfer.ts";
import type { HttpResponse } from "./http-client.ts";
import { readBody } from "./limited-body.ts";

/**
 * Reads a manifest and checks it against the digest that was asked for, or the one that the registry names.
 *
 * @throws RunletError `ERR_RUNLET_IMAGE` for a manifest of another digest or of a type that is not known;
 *   `ERR_RUNLET_REGISTRY` for one that is too long.
 */
export async function readManifestAnswer(response: HttpResponse, reference: string): Promise<ManifestContent> {
  const bytes = await readBody(response, { limitBytes: maxManifestBytes, what: "the manifest" });
  const expected = isDigest(reference) ? reference : response.header("docker-content-digest");
  const digest = await digestOf(bytes, expected === undefined ? "sha256" : parseDigest(expected).algorithm);
  if (expected !== undefined && expected !== digest) {
    throw new RunletError(
      "ERR_RUNLET_IMAGE",
      `the manifest of ${quote(reference)} that ${quote(response.url.host)} gives has the digest ${digest}, not ${quote(expected)}`,
      { hint: "it was damaged on its way, or the registry is not to be trusted: try again, or another one" },
    );
  }
  const said = response.header("content-type")?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  const { mediaType } = parseManifest({ descriptor: { mediaType: said, digest, size: bytes.length }, bytes });
  return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
}
