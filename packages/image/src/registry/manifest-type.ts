import { mediaTypes } from "@runlet/spec";

/** Docker's types of manifests, image manifest version 2, schema 2. */
const dockerManifestType = "application/vnd.docker.distribution.manifest.v2+json";
const dockerManifestListType = "application/vnd.docker.distribution.manifest.list.v2+json";

const manifestTypes: readonly string[] = [
  mediaTypes.imageIndex,
  mediaTypes.imageManifest,
  dockerManifestListType,
  dockerManifestType,
];

/** Accept header of a request for a manifest. */
export const acceptedManifestTypes = manifestTypes.join(", ");

/** Whether a content is stored by a registry as a manifest, and not as a blob. */
export function isManifestType(mediaType: string): boolean {
  return manifestTypes.includes(mediaType);
}

/**
 * The type of a manifest.
 *
 * @param document - the manifest.
 * @param headerType - what the registry says; its own word counts for little, as many say `application/json`.
 * @returns undefined for what is no manifest of a known type.
 */
export function manifestTypeOf(document: unknown, headerType: string | undefined): string | undefined {
  if (typeof document !== "object" || document === null) return undefined;
  const { mediaType, manifests, layers, config, schemaVersion } = document as Record<string, unknown>;
  if (schemaVersion !== 2) return undefined;
  if (mediaType !== undefined)
    return typeof mediaType === "string" && isManifestType(mediaType) ? mediaType : undefined;
  const said = headerType?.split(";", 1)[0]?.trim().toLowerCase();
  // What could be read either way is not taken: a client that asks for the one could be given the other (CVE-2021-41190).
  const isIndex = Array.isArray(manifests);
  const isImage = Array.isArray(layers) || config !== undefined;
  if (isIndex === isImage) return undefined;
  if (said !== undefined && isManifestType(said)) return isIndex === isIndexType(said) ? said : undefined;
  return isIndex ? mediaTypes.imageIndex : mediaTypes.imageManifest;
}

function isIndexType(mediaType: string): boolean {
  return mediaType === mediaTypes.imageIndex || mediaType === dockerManifestListType;
}
