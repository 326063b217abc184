export type {
  CopyOptions,
  ImageSource,
  ImageTarget,
  ManifestContent,
  Progress,
  ReadOptions,
} from "./transfer.ts";
