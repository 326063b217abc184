import { quote, RunletError } from "@runlet/errors";
import type { ImageConfig } from "@runlet/spec";
import { isJsonObject, parseJsonDocument } from "../json-document.ts";

/** An image of a docker archive's `manifest.json`; the paths are the archive's. */
export interface ArchivedImage {
  readonly Config: string;
  readonly RepoTags: readonly string[];
  /** The base first. */
  readonly Layers: readonly string[];
}

/** The `json` file of a layer of an archive before Docker 1.10, as far as it says anything of the image. */
export interface LegacyLayer {
  readonly id: string;
  readonly parent: string | undefined;
  readonly created: string | undefined;
  readonly author: string | undefined;
  readonly architecture: string | undefined;
  readonly os: string | undefined;
  readonly config: ImageConfig;
}

/** Reads a `manifest.json`. @throws RunletError `ERR_RUNLET_IMAGE` */
export function parseDockerManifest(name: string, bytes: Uint8Array): ArchivedImage[] {
  const refuse = (reason: string): never => {
    throw new RunletError("ERR_RUNLET_IMAGE", `${quote(name)} is no docker archive: ${reason}`);
  };
  const document = parseJsonDocument(bytes);
  if (!Array.isArray(document)) return refuse("its manifest.json is no list");
  return document.map((item: unknown, index) => {
    const { Config, RepoTags, Layers } = isJsonObject(item) ? item : {};
    if (typeof Config !== "string") return refuse(`image ${index} of its manifest.json has no Config`);
    if (!isTexts(Layers)) return refuse(`image ${index} of its manifest.json has no Layers`);
    const tags = RepoTags ?? [];
    if (!isTexts(tags)) return refuse(`the RepoTags of image ${index} of its manifest.json are no texts`);
    return { Config, RepoTags: tags, Layers };
  });
}

/**
 * Reads a `repositories` file.
 *
 * @returns ids of uppermost layers by name with tag.
 * @throws RunletError `ERR_RUNLET_IMAGE`
 */
export function parseRepositories(name: string, bytes: Uint8Array): Map<string, string> {
  const document = parseJsonDocument(bytes);
  const found = new Map<string, string>();
  for (const [repository, tags] of Object.entries(isJsonObject(document) ? document : {})) {
    for (const [tag, id] of Object.entries(isJsonObject(tags) ? tags : {})) {
      if (isLayerId(id)) found.set(`${repository}:${tag}`, id);
    }
  }
  if (found.size > 0) return found;
  throw new RunletError("ERR_RUNLET_IMAGE", `${quote(name)} is no docker archive: its repositories name no image`);
}

/** Reads a layer's `json`. @throws RunletError `ERR_RUNLET_IMAGE` */
export function parseLegacyLayer(options: { name: string; id: string; bytes: Uint8Array }): LegacyLayer {
  const { name, id, bytes } = options;
  const document = parseJsonDocument(bytes);
  if (!isJsonObject(document))
    throw new RunletError("ERR_RUNLET_IMAGE", `${quote(name)}: what it says of the layer ${quote(id)} is no JSON`);
  const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);
  const { parent, config } = document;
  return {
    id,
    parent: isLayerId(parent) ? parent : undefined,
    created: text(document.created),
    author: text(document.author),
    architecture: text(document.architecture),
    os: text(document.os),
    config: (isJsonObject(config) ? config : {}) as ImageConfig,
  };
}

function isLayerId(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
