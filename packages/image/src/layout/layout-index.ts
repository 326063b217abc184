import { isRunletError, quote, RunletError } from "@runlet/errors";
import type { Descriptor, ImageIndex } from "@runlet/spec";
import { mediaTypes } from "@runlet/spec";
import { isDigest } from "../digest.ts";
import { isJsonObject, parseJsonDocument } from "../json-document.ts";
import { parseManifest } from "../manifest.ts";

/** Annotation of a descriptor in `index.json`: the image's name. (image spec, annotations.md) */
export const refNameAnnotation = "org.opencontainers.image.ref.name";
/** What containerd and Docker write beside it: the whole name, where `ref.name` is the tag alone. */
const containerdNameAnnotation = "io.containerd.image.name";

/** Content of the `oci-layout` file. */
export const layoutHeader = `${JSON.stringify({ imageLayoutVersion: "1.0.0" })}\n`;

/**
 * Checks the `oci-layout` file.
 *
 * @param bytes - undefined if there is none.
 * @throws RunletError `ERR_RUNLET_IMAGE`
 * @see OCI image specification, image-layout.md#oci-layout-file
 */
export function checkLayoutHeader(name: string, bytes: Uint8Array | undefined): void {
  const reason = bytes === undefined ? "it has no oci-layout file" : faultOfHeader(bytes);
  if (reason !== undefined)
    throw new RunletError("ERR_RUNLET_IMAGE", `${quote(name)} is no image layout: ${reason}`, {
      hint: "name a directory or archive that holds oci-layout, index.json and blobs",
    });
}

function faultOfHeader(bytes: Uint8Array): string | undefined {
  const document = parseJsonDocument(bytes);
  if (document === undefined) return "its oci-layout file is no JSON";
  const version = isJsonObject(document) ? document.imageLayoutVersion : undefined;
  const isKnown = typeof version === "string" && /^1\.\d+\.\d+/.test(version);
  return isKnown ? undefined : `its version is ${quote(JSON.stringify(version ?? null))}, not 1.0.0`;
}

/** Reads an `index.json`. @throws RunletError `ERR_RUNLET_IMAGE` */
export function parseLayoutIndex(name: string, bytes: Uint8Array): ImageIndex {
  try {
    const descriptor = { mediaType: mediaTypes.imageIndex, digest: "index.json", size: bytes.length };
    const parsed = parseManifest({ descriptor, bytes });
    if (parsed.kind === "index") return parsed.index;
  } catch (error) {
    if (!isRunletError(error)) throw error;
    throw new RunletError("ERR_RUNLET_IMAGE", `${quote(name)} is no image layout: ${error.message}`, { cause: error });
  }
  throw new RunletError("ERR_RUNLET_IMAGE", `${quote(name)} is no image layout: its index.json is no index`);
}

/** Names that a descriptor of an `index.json` goes by. */
export function namesOf(descriptor: Descriptor): string[] {
  const { annotations = {} } = descriptor;
  return [annotations[refNameAnnotation], annotations[containerdNameAnnotation]].filter((name) => name !== undefined);
}

/** A descriptor without what belongs to its entry in an index alone. */
export function withoutNames({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

/**
 * Finds what a name or digest stands for in an `index.json`; without one, the only thing there.
 *
 * @throws RunletError `ERR_RUNLET_IMAGE` if there is none, or no telling which, with the names that there are.
 */
export function findInLayout(options: { name: string; index: ImageIndex; reference: string | undefined }): Descriptor {
  const { name, index, reference } = options;
  const { manifests } = index;
  const names = manifests.flatMap(namesOf);
  const hint = names.length === 0 ? undefined : `it has ${names.slice(0, 20).map(quote).join(", ")}`;
  if (reference === undefined) {
    const digests = new Set(manifests.map((descriptor) => descriptor.digest));
    const [first] = manifests;
    if (first !== undefined && digests.size === 1) return first;
    const reason = first === undefined ? "holds no image" : "holds several images: say which";
    throw new RunletError("ERR_RUNLET_IMAGE", `${quote(name)} ${reason}`, { hint });
  }
  const found = manifests.find((descriptor) =>
    isDigest(reference) ? descriptor.digest === reference : namesOf(descriptor).includes(reference),
  );
  if (found !== undefined) return found;
  throw new RunletError("ERR_RUNLET_IMAGE", `${quote(name)} has no image ${quote(reference)}`, { hint });
}

/** Formats an `index.json`. */
export function formatLayoutIndex(manifests: readonly Descriptor[]): string {
  return `${JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.imageIndex, manifests }, undefined, 2)}\n`;
}

/** The entry of an `index.json` for a name; without one, the descriptor alone. */
export function namedDescriptor(descriptor: Descriptor, name: string | undefined): Descriptor {
  const plain = withoutNames(descriptor);
  return name === undefined ? plain : { ...plain, annotations: { [refNameAnnotation]: name } };
}
