import type { Descriptor, Digest } from "@runlet/spec";
import { digestOf } from "./digest.ts";
import { parseManifest } from "./manifest.ts";
import { ociTypeOf } from "./media-types.ts";
import type { ManifestContent } from "./transfer.ts";

/**
 * A manifest or index in the types of the image specification. One of Docker's says the same in other words, and so has
 * another digest afterwards; what it refers to, configuration and layers, stays as it is, byte for byte.
 *
 * @param converted - of the manifests that an index lists: what they have become, by the digest that they had.
 * @returns the content itself where there is nothing to convert.
 * @throws RunletError `ERR_RUNLET_IMAGE` for what is no manifest.
 * @see OCI image specification, media-types.md#compatibility-matrix
 */
export async function toOciManifest(
  content: ManifestContent,
  converted: ReadonlyMap<Digest, Descriptor>,
): Promise<ManifestContent> {
  const parsed = parseManifest(content);
  const mediaType = ociTypeOf(parsed.mediaType);
  const isOci = mediaType === parsed.mediaType;
  if (parsed.kind === "manifest") {
    if (isOci) return content;
    const { config, layers } = parsed.manifest;
    const document = { ...parsed.manifest, mediaType, config: toOci(config), layers: layers.map(toOci) };
    return await formatManifest(mediaType, document);
  }
  const { manifests } = parsed.index;
  if (isOci && manifests.every(({ digest }) => (converted.get(digest)?.digest ?? digest) === digest)) return content;
  const listed = manifests.map((descriptor) => become(descriptor, converted.get(descriptor.digest)));
  return await formatManifest(mediaType, { ...parsed.index, mediaType, manifests: listed });
}

/** What an index lists in place of a manifest. The bytes that it may hold beside it are those of the old one. */
function become(descriptor: Descriptor, converted: Descriptor | undefined): Descriptor {
  if (converted === undefined || converted.digest === descriptor.digest) return toOci(descriptor);
  const { data: _, ...rest } = descriptor;
  return { ...rest, ...converted };
}

/** A manifest of which the document is known. */
export async function formatManifest(mediaType: string, document: object): Promise<ManifestContent> {
  const bytes = Buffer.from(JSON.stringify(document));
  return { descriptor: { mediaType, digest: await digestOf(bytes), size: bytes.length }, bytes };
}

/** The same content, by the name that the image specification has for its type. */
export function toOci(descriptor: Descriptor): Descriptor {
  return { ...descriptor, mediaType: ociTypeOf(descriptor.mediaType) };
}
