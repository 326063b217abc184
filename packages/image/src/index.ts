export { type ArchiveFormat, ArchiveTarget } from "./archive/archive-target.ts";
export { DockerArchiveSource } from "./archive/docker-source.ts";
export { type FileSource, openImageFile } from "./archive/open-source.ts";
export { createImageSpec, filesOf, type ImageOverrides, type ImageSpecOptions } from "./config/image-spec.ts";
export { type CopyRequest, type CopyResult, copyImage } from "./copy.ts";
export { type Change, type ChangeKind, type CompareOptions, listChanges } from "./diff/changes.ts";
export { type FileOwner, type LayerOptions, writeLayer } from "./diff/layer.ts";
export type { Tree } from "./diff/merged-directory.ts";
export { type GraphImage, type GraphLayer, type LayerGraph, type LayerNode, layerGraph } from "./graph/layer-graph.ts";
export { formatBytes } from "./graph/node-label.ts";
export { drawLayerSvg } from "./graph/svg-drawing.ts";
export { drawLayerText } from "./graph/text-drawing.ts";
export { type CommitOptions, type CommitResult, commitInstance } from "./instance/commit.ts";
export {
  type BundleRequest,
  ImageBundles,
  type ImageBundlesOptions,
  type PullPolicy,
  type RequestedBundle,
} from "./instance/image-bundles.ts";
export { archiveInstance, type Instance, listInstanceChanges, openInstance } from "./instance/instance.ts";
export { collectStore, removeInstance, removeOrphanedInstances } from "./instance/instance-directory.ts";
export { type ContainerFiles, type DirectoryOwner, MergedTree } from "./layers/merged-tree.ts";
export { LayoutSource } from "./layout/layout-source.ts";
export { LayoutTarget } from "./layout/layout-target.ts";
export { defaultImageName, type ImageLocation, parseImageLocation } from "./location/image-location.ts";
export { formatPlatform, hostPlatform, parsePlatform } from "./platform.ts";
export { formatReference, parseReference, type Reference, shortenReference } from "./reference.ts";
export { type CredentialSource, fixedCredentials, storedCredentials } from "./registry/credential-store.ts";
export type { Credentials } from "./registry/credentials.ts";
export type { RegistryOptions } from "./registry/options.ts";
export { pingRegistry } from "./registry/ping.ts";
export { openRegistrySource } from "./registry/registry-source.ts";
export { openRegistryTarget, type RegistryTargetOptions } from "./registry/registry-target.ts";
export { listTags } from "./registry/tag-list.ts";
export { type CollectOptions, ImageStore, type OpenStoreOptions } from "./store/image-store.ts";
export type * from "./store/stored-image.ts";
export type * from "./transfer.ts";
