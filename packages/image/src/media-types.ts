import { mediaTypes } from "@runlet/spec";

/**
 * Media types of Docker's second image format, which are compatible with those of the image specification.
 *
 * @see OCI image specification, media-types.md#compatibility-matrix
 */
export const dockerMediaTypes = {
  manifestList: "application/vnd.docker.distribution.manifest.list.v2+json",
  manifest: "application/vnd.docker.distribution.manifest.v2+json",
  imageConfig: "application/vnd.docker.container.image.v1+json",
  layer: "application/vnd.docker.image.rootfs.diff.tar",
  layerGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  layerZstd: "application/vnd.docker.image.rootfs.diff.tar.zstd",
  foreignLayer: "application/vnd.docker.image.rootfs.foreign.diff.tar",
  foreignLayerGzip: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
} as const;

const indexTypes: ReadonlySet<string> = new Set([mediaTypes.imageIndex, dockerMediaTypes.manifestList]);
const manifestTypes: ReadonlySet<string> = new Set([mediaTypes.imageManifest, dockerMediaTypes.manifest]);
const configTypes: ReadonlySet<string> = new Set([mediaTypes.imageConfig, dockerMediaTypes.imageConfig]);
const nondistributable = "application/vnd.oci.image.layer.nondistributable.v1.tar";
const foreignLayerTypes: ReadonlySet<string> = new Set([
  nondistributable,
  `${nondistributable}+gzip`,
  `${nondistributable}+zstd`,
  dockerMediaTypes.foreignLayer,
  dockerMediaTypes.foreignLayerGzip,
]);
const layerTypes: ReadonlySet<string> = new Set([
  mediaTypes.imageLayer,
  mediaTypes.imageLayerGzip,
  mediaTypes.imageLayerZstd,
  dockerMediaTypes.layer,
  dockerMediaTypes.layerGzip,
  dockerMediaTypes.layerZstd,
  ...foreignLayerTypes,
]);

const ociTypes: ReadonlyMap<string, string> = new Map([
  [dockerMediaTypes.manifestList, mediaTypes.imageIndex],
  [dockerMediaTypes.manifest, mediaTypes.imageManifest],
  [dockerMediaTypes.imageConfig, mediaTypes.imageConfig],
  [dockerMediaTypes.layer, mediaTypes.imageLayer],
  [dockerMediaTypes.layerGzip, mediaTypes.imageLayerGzip],
  [dockerMediaTypes.layerZstd, mediaTypes.imageLayerZstd],
  [dockerMediaTypes.foreignLayer, nondistributable],
  [dockerMediaTypes.foreignLayerGzip, `${nondistributable}+gzip`],
]);

/** What a registry is asked for, in the order of preference. */
export const acceptedManifestTypes: readonly string[] = [...manifestTypes, ...indexTypes];

/** Whether content of this type is an index, Docker's "manifest list" included. */
export function isIndexType(mediaType: string): boolean {
  return indexTypes.has(mediaType);
}

/** Whether content of this type is the manifest of one image or artifact. */
export function isManifestType(mediaType: string): boolean {
  return manifestTypes.has(mediaType);
}

/** Whether content of this type is an image's configuration. */
export function isConfigType(mediaType: string): boolean {
  return configTypes.has(mediaType);
}

/** Whether content of this type is a layer that can be unpacked. */
export function isLayerType(mediaType: string): boolean {
  return layerTypes.has(mediaType);
}

/** Whether registries need not have a layer of this type: its descriptor's `urls` say where it is. */
export function isForeignLayerType(mediaType: string): boolean {
  return foreignLayerTypes.has(mediaType);
}

/** Whether a type is of Docker's first manifest format, which has no digests of configurations. */
export function isSchema1Type(mediaType: string): boolean {
  return /^application\/vnd\.docker\.distribution\.manifest\.v1\+(?:json|prettyjws)$/.test(mediaType);
}

/** The image specification's name for one of Docker's types; every other type stays as it is. */
export function ociTypeOf(mediaType: string): string {
  return ociTypes.get(mediaType) ?? mediaType;
}
