export { type Change, type ChangeKind, type CompareOptions, listChanges } from "./diff/changes.ts";
export { type FileOwner, type LayerOptions, writeLayer } from "./diff/layer.ts";
export type { Tree } from "./diff/merged-directory.ts";
export { formatReference, parseReference, type Reference, shortenReference } from "./reference.ts";
export { ImageStore, type OpenStoreOptions } from "./store/image-store.ts";
export type {
  BlobUsage,
  CollectionResult,
  ImageLayer,
  LayerUsage,
  Lease,
  NamedImage,
  PullOptions,
  ResolveOptions,
  StoredImage,
  StoreUsage,
  UnpackedLayer,
  UnpackImageOptions,
} from "./store/stored-image.ts";
export type {
  CopyOptions,
  ImageSource,
  ImageTarget,
  ManifestContent,
  OpenContent,
  Progress,
  ReadOptions,
  RequestOptions,
} from "./transfer.ts";
