import type { Option, OptionTable, PositionalTable } from "../command.ts";

export const storeOption = {
  store: {
    type: "string",
    value: "DIR",
    summary: "directory of the image store (default: /var/lib/runlet, or ~/.local/share/runlet for users)",
    complete: "directory",
  },
} as const satisfies OptionTable;

const platform = {
  platform: {
    type: "string",
    value: "OS/ARCH",
    summary: "platform to choose, e.g. linux/arm64 (default: this machine's)",
  },
} as const satisfies OptionTable;

const json = {
  json: { type: "boolean", summary: "print JSON" },
} as const satisfies OptionTable;

const quiet = { type: "boolean", short: "q", summary: "show no progress" } as const satisfies Option;
const progressJson = { type: "boolean", summary: "print progress and result as one JSON object a line" } as const;

/** How a registry is reached. */
export const registryOptions = {
  creds: { type: "string", value: "USER:PASSWORD", summary: "log in to the registry as" },
  authfile: {
    type: "string",
    value: "FILE",
    summary: "stored credentials, as of docker login (default: those of docker and podman)",
    complete: "file",
  },
  "tls-verify": {
    type: "string",
    value: "BOOL",
    choices: ["true", "false"],
    default: "true",
    summary: "false: take any certificate, and plain HTTP where there is no TLS",
  },
  "ca-file": {
    type: "strings",
    value: "FILE",
    summary: "certificates in PEM to trust beside the usual ones; may be repeated",
    complete: "file",
  },
  timeout: {
    type: "duration",
    value: "TIME",
    default: "60s",
    summary: "how long a registry may keep silent; 0 for ever",
  },
} as const satisfies OptionTable;

/** How an image is fetched. */
export const sourceOptions = {
  ...registryOptions,
  mirror: {
    type: "strings",
    value: "[http://]HOST[/PREFIX]",
    summary: "registry to ask before the image's own; may be repeated",
  },
} as const satisfies OptionTable;

export const pullOptions = {
  ...storeOption,
  ...platform,
  ...sourceOptions,
  name: { type: "string", value: "NAME", summary: "name in the store (default: that of the source)" },
  "all-platforms": { type: "boolean", summary: "pull the images for every platform, and unpack none" },
  "no-unpack": { type: "boolean", summary: "leave the layers packed until they are needed" },
  quiet,
  json: progressJson,
} as const satisfies OptionTable;

const source = {
  value: "SOURCE",
  summary:
    "NAME[:TAG][@DIGEST] in a registry, also with docker:// before it; oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE[:TAG]",
  count: "required",
  complete: "file",
} as const;

export const pullPositionals = { source } as const satisfies PositionalTable;

export const pushOptions = {
  ...storeOption,
  ...platform,
  ...registryOptions,
  "all-platforms": { type: "boolean", summary: "push the images for every platform; they must all be in the store" },
  "chunk-size": {
    type: "string",
    value: "BYTES",
    summary: "upload in chunks, which can be resumed; k, m or g may follow",
  },
  quiet,
  json: progressJson,
} as const satisfies OptionTable;

const image = { value: "IMAGE", summary: "name of an image of the store, or its digest", count: "required" } as const;

export const pushPositionals = {
  image,
  destination: {
    value: "DESTINATION",
    summary: "as the source of image pull (default: the registry and repository of the image's name)",
    count: "optional",
    complete: "file",
  },
} as const satisfies PositionalTable;

export const imageListOptions = {
  ...storeOption,
  ...json,
  quiet: { type: "boolean", short: "q", summary: "names only" },
} as const satisfies OptionTable;

export const imageRemoveOptions = { ...storeOption } as const satisfies OptionTable;

export const imageRemovePositionals = {
  images: { value: "IMAGE", summary: "name of an image of the store", count: "repeated" },
} as const satisfies PositionalTable;

export const imageTagOptions = { ...storeOption } as const satisfies OptionTable;

export const imageTagPositionals = {
  image,
  name: { value: "NAME", summary: "another name for it", count: "required" },
} as const satisfies PositionalTable;

export const imageInspectOptions = { ...storeOption, ...platform } as const satisfies OptionTable;

export const imageInspectPositionals = { image } as const satisfies PositionalTable;

export const imageUsageOptions = { ...storeOption, ...json } as const satisfies OptionTable;

export const imageCollectOptions = {
  ...storeOption,
  ...json,
  "dry-run": { type: "boolean", summary: "say what would be removed, and remove nothing" },
} as const satisfies OptionTable;

export const imageTreeOptions = {
  ...storeOption,
  ...json,
  svg: { type: "string", value: "FILE", summary: "draw into an SVG file; - for standard output", complete: "file" },
} as const satisfies OptionTable;

export const imageTreePositionals = {
  images: { value: "IMAGE", summary: "only these images, and what they share", count: "repeated" },
} as const satisfies PositionalTable;

export const imageImportOptions = {
  ...storeOption,
  name: { type: "string", value: "NAME", summary: "name in the store, where the file holds only one image" },
  "no-unpack": { type: "boolean", summary: "leave the layers packed until they are needed" },
  quiet,
  json: progressJson,
} as const satisfies OptionTable;

export const imageImportPositionals = {
  file: {
    value: "FILE",
    summary: "an archive, or the directory of an image layout",
    count: "required",
    complete: "file",
  },
} as const satisfies PositionalTable;

export const imageExportOptions = {
  ...storeOption,
  ...platform,
  output: { type: "string", short: "o", value: "FILE", summary: "archive to write", complete: "file" },
  format: {
    type: "string",
    value: "FORMAT",
    choices: ["oci", "docker"],
    default: "oci",
    summary: "oci for an image layout, docker for one that docker load of any version reads too",
  },
} as const satisfies OptionTable;

export const imageExportPositionals = {
  images: { value: "IMAGE", summary: "name of an image of the store", count: "repeated" },
} as const satisfies PositionalTable;

export const imageDiffOptions = { ...storeOption, ...platform, ...json } as const satisfies OptionTable;

export const imageDiffPositionals = {
  from: { value: "FROM|container:ID", summary: "an image of the store, or a container of one", count: "required" },
  to: { value: "TO", summary: "the image to compare with it; none for a container", count: "optional" },
} as const satisfies PositionalTable;

export const imageTagsOptions = { ...registryOptions } as const satisfies OptionTable;

export const imageTagsPositionals = {
  repository: { value: "REPOSITORY", summary: "repository of a registry, e.g. ghcr.io/owner/name", count: "required" },
} as const satisfies PositionalTable;
