import { quote, RunletError } from "@runlet/errors";
import { formatReference, parseReference, type Reference } from "../reference.ts";

/** Where an image is, outside the store. */
export type ImageLocation =
  | { readonly transport: "docker"; readonly reference: Reference }
  | {
      /** An image layout, as a directory or as a tar archive, or the archive of `docker save`. */
      readonly transport: "oci" | "oci-archive" | "docker-archive";
      readonly hostPath: string;
      /** The image's name there; undefined: the only one. */
      readonly name: string | undefined;
    };

const fileTransports = ["oci", "oci-archive", "docker-archive"] as const;

/** Transports of other tools that would pass for names of repositories. */
const foreignTransports = ["atomic", "containers-storage", "dir", "docker-daemon", "ostree", "sif", "tarball"];

/**
 * Reads where an image is, as skopeo writes it: `docker://alpine:3.20`, `oci:DIR[:NAME]`, `oci-archive:FILE[:NAME]`,
 * `docker-archive:FILE[:NAME]`. Without a transport it is the name of an image in a registry.
 *
 * @throws RunletError `ERR_RUNLET_USAGE` for a transport that is not known; `ERR_RUNLET_IMAGE` for what is no name.
 * @see containers-transports(5)
 */
export function parseImageLocation(text: string): ImageLocation {
  if (text.startsWith("docker://")) return { transport: "docker", reference: parseReference(text.slice(9)) };
  const colon = text.indexOf(":");
  const prefix = text.slice(0, Math.max(0, colon));
  const rest = text.slice(colon + 1);
  const transport = fileTransports.find((known) => known === prefix);
  if (transport !== undefined) {
    const end = rest.indexOf(":");
    const hostPath = end < 0 ? rest : rest.slice(0, end);
    const name = end < 0 ? undefined : rest.slice(end + 1);
    if (hostPath === "" || name === "") {
      throw new RunletError("ERR_RUNLET_USAGE", `${quote(text)} names no ${hostPath === "" ? "file" : "image"}`, {
        hint: `write it as ${transport}:PATH or ${transport}:PATH:NAME`,
      });
    }
    return { transport, hostPath, name };
  }
  if (foreignTransports.includes(prefix)) {
    throw new RunletError("ERR_RUNLET_USAGE", `the transport ${quote(prefix)} is not supported`, {
      hint: `use docker://, ${fileTransports.map((known) => `${known}:`).join(", ")} or the name of an image`,
    });
  }
  if (/^\.{0,2}\//.test(text)) {
    throw new RunletError("ERR_RUNLET_USAGE", `${quote(text)} is a path, not the name of an image`, {
      hint: `write ${fileTransports.map((known) => `${known}:PATH`).join(", ")}`,
    });
  }
  return { transport: "docker", reference: parseReference(text) };
}

/**
 * What the store calls an image that comes from there, unless it is told otherwise: its name in the registry; of a file the
 * name that it has there, in `localhost/` where it is only a tag.
 *
 * @param name - what the source calls the image; undefined where it has no name.
 * @returns undefined where no name can be made.
 */
export function defaultImageName(location: ImageLocation, name?: string): string | undefined {
  if (location.transport === "docker") return formatReference(location.reference);
  const given = location.name ?? name;
  if (given !== undefined && /[/:]/.test(given)) return formatReference(parseReference(given));
  const base = location.hostPath
    .replace(/\/+$/, "")
    .replace(/^.*\//, "")
    .replace(/\.(?:oci|docker)?\.?tar(?:\..*)?$/, "");
  const repository = base
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
  if (repository === "" || (given !== undefined && !/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(given)))
    return undefined;
  return `localhost/${repository}:${given ?? "latest"}`;
}
