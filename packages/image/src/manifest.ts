import { quote, RunletError } from "@runlet/errors";
import type { Descriptor, ImageConfiguration, ImageIndex, ImageManifest } from "@runlet/spec";
import { mediaTypes } from "@runlet/spec";
import { isDigest } from "./digest.ts";
import { isJsonObject, parseJsonDocument } from "./json-document.ts";
import {
  isConfigType,
  isForeignLayerType,
  isIndexType,
  isLayerType,
  isManifestType,
  isSchema1Type,
} from "./media-types.ts";
import type { ManifestContent } from "./transfer.ts";

/** Manifests, indexes and configurations of more bytes are refused before they are read. Registries have the same limit. */
export const maxManifestBytes = 4 << 20;
/** overlayfs takes 500 lower directories (OVL_MAX_STACK). */
const maxLayers = 500;

/** What the bytes of a manifest are. */
export type ParsedManifest =
  | { readonly kind: "index"; readonly mediaType: string; readonly index: ImageIndex }
  | { readonly kind: "manifest"; readonly mediaType: string; readonly manifest: ImageManifest };

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Reads a manifest or index of the image specification or of Docker's second format. Documents that could be taken for both
 * are refused, as are those whose type is not what their descriptor says.
 *
 * @param content - bytes whose digest was checked.
 * @throws RunletError `ERR_RUNLET_IMAGE`
 * @see GHSA-77vh-xpmg-72qh
 */
export function parseManifest(content: ManifestContent): ParsedManifest {
  const { descriptor, bytes } = content;
  const refuse = (reason: string, hint?: string): never => {
    throw new RunletError("ERR_RUNLET_IMAGE", `manifest ${quote(descriptor.digest)}: ${reason}`, { hint });
  };
  const document = parseObject(bytes, refuse);
  const declared = document.mediaType;
  if (declared !== undefined && typeof declared !== "string") return refuse("its mediaType is no text");
  if (document.schemaVersion === 1 || isSchema1Type(declared ?? descriptor.mediaType))
    return refuse(
      "it is of Docker's first image format, which is no longer supported",
      "have the image built and pushed again by a current tool",
    );
  if (document.schemaVersion !== 2) return refuse(`its schemaVersion is ${show(document.schemaVersion)}, not 2`);
  const mediaType = mediaTypeOf(document, descriptor.mediaType);
  if (declared !== undefined && isKnown(descriptor.mediaType) && declared !== descriptor.mediaType)
    return refuse(`it says that it is ${quote(declared)}, but was announced as ${quote(descriptor.mediaType)}`);
  if (isIndexType(mediaType)) {
    if ("layers" in document || "config" in document || "fsLayers" in document)
      return refuse("it is an index, but has layers of its own");
    const manifests = descriptorsOf(document.manifests, "manifests", refuse);
    return { kind: "index", mediaType, index: { ...document, schemaVersion: 2, manifests } };
  }
  if (!isManifestType(mediaType))
    return refuse(
      `its type ${quote(mediaType)} is not supported`,
      "what can be read are manifests and indexes of the OCI image specification and of Docker's second image format",
    );
  if ("manifests" in document || "fsLayers" in document) return refuse("it is one image, but lists manifests");
  const config = descriptorOf(document.config, "config", refuse);
  const layers = descriptorsOf(document.layers, "layers", refuse);
  return { kind: "manifest", mediaType, manifest: { ...document, schemaVersion: 2, config, layers } };
}

function isKnown(mediaType: string): boolean {
  return isIndexType(mediaType) || isManifestType(mediaType);
}

/** Whether a type stands for one format. `application/json` and its like do not, nor does the descriptor's own. */
function isSpecific(mediaType: string): boolean {
  return mediaType.startsWith("application/vnd.") && mediaType !== mediaTypes.descriptor;
}

/** The type that a document says; else that of its descriptor; else, as the field is optional, what it looks like. */
function mediaTypeOf(document: JsonObject, announced: string): string {
  if (typeof document.mediaType === "string") return document.mediaType;
  if (isKnown(announced) || isSpecific(announced)) return announced;
  return Array.isArray(document.manifests) ? mediaTypes.imageIndex : mediaTypes.imageManifest;
}

/**
 * Holds a manifest to be that of a container image that can be unpacked.
 *
 * @throws RunletError `ERR_RUNLET_IMAGE` for an artifact, for layers of unknown types, for too many.
 */
export function checkIsImage(digest: string, manifest: ImageManifest): void {
  const refuse = (reason: string, hint?: string): never => {
    throw new RunletError("ERR_RUNLET_IMAGE", `image ${quote(digest)}: ${reason}`, { hint });
  };
  const { config, layers, artifactType } = manifest;
  if (!isConfigType(config.mediaType)) {
    const type = artifactType ?? config.mediaType;
    refuse(`it is no container image, but an artifact of type ${quote(type)}`, "name an image that can be run");
  }
  if (layers.length > maxLayers) refuse(`it has ${layers.length} layers, more than ${maxLayers}`);
  for (const { mediaType, urls } of layers) {
    if (!isLayerType(mediaType))
      refuse(
        `it has a layer of the unknown type ${quote(mediaType)}`,
        /encrypted/.test(mediaType) ? "decrypt the image with another tool first" : undefined,
      );
    if (isForeignLayerType(mediaType) && (urls ?? []).length === 0)
      refuse("it has a layer that may not be distributed, and does not say where it can be had");
  }
}

/**
 * Reads the configuration of an image. What Go's encoder writes for empty fields, `null`, is left out.
 *
 * @param digest - for messages.
 * @param manifest - whose layers the configuration must match.
 * @throws RunletError `ERR_RUNLET_IMAGE`
 */
export function parseConfiguration(options: {
  bytes: Uint8Array;
  digest: string;
  manifest: ImageManifest;
}): ImageConfiguration {
  const { bytes, digest, manifest } = options;
  const refuse = (reason: string): never => {
    throw new RunletError("ERR_RUNLET_IMAGE", `image configuration ${quote(digest)}: ${reason}`);
  };
  const document = withoutNulls(parseObject(bytes, refuse)) as JsonObject;
  for (const key of ["architecture", "os"])
    if (typeof document[key] !== "string") return refuse(`its ${key} is ${show(document[key])}, not a name`);
  const rootfs = document.rootfs;
  if (!isJsonObject(rootfs)) return refuse("it has no rootfs");
  const diffIds = rootfs.diff_ids ?? [];
  if (!Array.isArray(diffIds) || !diffIds.every(isDigest)) return refuse("its rootfs.diff_ids are no digests");
  if (diffIds.length !== manifest.layers.length)
    return refuse(`it has ${diffIds.length} layers, but the manifest ${manifest.layers.length}`);
  checkFields(document, refuse);
  checkConfig(document.config, refuse);
  return {
    ...(document as unknown as ImageConfiguration),
    rootfs: { type: "layers", diff_ids: diffIds },
  };
}

function checkFields(document: JsonObject, refuse: (reason: string) => never): void {
  for (const key of ["author", "created", "variant", "os.version"]) {
    if (document[key] !== undefined && typeof document[key] !== "string") refuse(`its ${key} is no text`);
  }
  const { "os.features": features = [], history = [] } = document;
  if (!Array.isArray(features) || !features.every((feature) => typeof feature === "string"))
    refuse("its os.features are no texts");
  if (!Array.isArray(history) || !history.every(isJsonObject)) refuse("its history is no list of objects");
}

const texts = ["User", "WorkingDir", "StopSignal"] as const;
const lists = ["Env", "Entrypoint", "Cmd"] as const;
const maps = ["ExposedPorts", "Volumes", "Labels"] as const;

function checkConfig(config: unknown, refuse: (reason: string) => never): void {
  if (config === undefined) return;
  if (!isJsonObject(config)) refuse("its config is no object");
  const fields = config as JsonObject;
  const isText = (value: unknown) => typeof value === "string";
  for (const key of texts) {
    if (fields[key] !== undefined && !isText(fields[key])) refuse(`its config.${key} is no text`);
  }
  for (const key of lists) {
    const value = fields[key];
    if (value !== undefined && !(Array.isArray(value) && value.every(isText))) refuse(`its config.${key} is no list`);
  }
  for (const key of maps) {
    const value = fields[key];
    if (value !== undefined && !isJsonObject(value)) refuse(`its config.${key} is no object`);
    if (key === "Labels" && !Object.values(value ?? {}).every(isText)) refuse("its config.Labels are no texts");
  }
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isJsonObject(value)) return value;
  const entries = Object.entries(value).filter(([, child]) => child !== null);
  return Object.fromEntries(entries.map(([key, child]) => [key, withoutNulls(child)]));
}

function parseObject(bytes: Uint8Array, refuse: (reason: string) => never): JsonObject {
  if (bytes.length > maxManifestBytes) return refuse(`it has ${bytes.length} bytes, more than ${maxManifestBytes}`);
  const value = parseJsonDocument(bytes);
  if (value === undefined) return refuse("it is no JSON, or nested too deep");
  return isJsonObject(value) ? value : refuse("it is no JSON object");
}

function descriptorsOf(value: unknown, pointer: string, refuse: (reason: string) => never): Descriptor[] {
  // Docker writes null for none.
  if (value === null) return [];
  if (!Array.isArray(value)) return refuse(`its ${pointer} are ${show(value)}, not a list`);
  return value.map((item, index) => descriptorOf(item, `${pointer}/${index}`, refuse));
}

function descriptorOf(value: unknown, pointer: string, refuse: (reason: string) => never): Descriptor {
  if (!isJsonObject(value)) return refuse(`its ${pointer} is no descriptor`);
  const { mediaType, digest, size, urls, platform } = value;
  if (typeof mediaType !== "string") return refuse(`the mediaType of its ${pointer} is ${show(mediaType)}`);
  if (!isDigest(digest)) return refuse(`the digest of its ${pointer} is ${show(digest)}`);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0)
    return refuse(`the size of its ${pointer} is ${show(size)}`);
  if (urls !== undefined && !(Array.isArray(urls) && urls.every((url) => typeof url === "string")))
    return refuse(`the urls of its ${pointer} are ${show(urls)}`);
  if (platform !== undefined && platform !== null) {
    if (!isJsonObject(platform) || typeof platform.architecture !== "string" || typeof platform.os !== "string")
      return refuse(`the platform of its ${pointer} is ${show(platform)}`);
    if (platform.variant !== undefined && typeof platform.variant !== "string")
      return refuse(`the platform of its ${pointer} is ${show(platform)}`);
  }
  return withoutNulls(value) as unknown as Descriptor;
}

function show(value: unknown): string {
  return value === undefined ? "missing" : quote(JSON.stringify(value));
}
