import { quote, RunletError } from "@runlet/errors";
import { isDigest } from "./digest.ts";

/** Name of an image in a registry. */
export interface Reference {
  /** Host, with a port if there is one: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly registry: string;
  /** Path of the repository there: `library/alpine`. */
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
}

const defaultRegistry = "docker.io";
const officialPrefix = "library/";
const defaultTag = "latest";
const maxRepositoryBytes = 255;

// The grammar is that of the distribution project's reference package, which every engine shares.
const pathComponent = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const domainLabel = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const registryPattern = new RegExp(
  `^(?:${domainLabel}(?:\\.${domainLabel})*|\\[[0-9a-fA-F:.]*:[0-9a-fA-F:.]*\\])(?::[0-9]{1,5})?$`,
);

/**
 * Reads the name of an image as engines write it: `alpine` is `docker.io/library/alpine:latest`. The first part is a
 * registry if it holds a dot or a colon, an upper-case letter, or is `localhost`. A digest takes precedence over a tag.
 *
 * @throws RunletError `ERR_RUNLET_IMAGE`, with what is wrong with the name.
 * @see distribution specification, "Pulling manifests"
 * @example
 * parseReference("localhost:5000/web@sha256:…")  // { registry: "localhost:5000", repository: "web", digest: "sha256:…" }
 */
export function parseReference(text: string): Reference {
  const refuse = (reason: string, hint?: string): never => {
    throw new RunletError("ERR_RUNLET_IMAGE", `invalid image name ${quote(text)}: ${reason}`, { hint });
  };
  if (text === "") return refuse("it is empty", "an image's name looks like alpine:3.20 or ghcr.io/owner/name");
  if (/^[a-zA-Z][a-zA-Z0-9+.-]*:\/\//.test(text))
    return refuse("it begins with a scheme", `leave ${quote(text.slice(0, text.indexOf("://") + 3))} out`);
  if (/^[0-9a-f]{64}$/.test(text))
    return refuse("64 hexadecimal digits are the digest of an image, not its name", `write sha256:${text}`);

  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const named = at < 0 ? text : text.slice(0, at);
  if (digest !== undefined && !isDigest(digest))
    return refuse(
      `what follows the "@" is no digest`,
      "a digest is sha256: and 64 hexadecimal digits in lower case, or sha512: and 128",
    );

  const [registry, rest] = splitRegistry(named);
  if (!registryPattern.test(registry) || Number(/:(\d+)$/.exec(registry)?.[1] ?? 1) > 65535)
    return refuse(`${quote(registry)} is no host that a registry can have`);
  const colon = rest.lastIndexOf(":");
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  const path = colon < 0 ? rest : rest.slice(0, colon);
  if (tag !== undefined && !tagPattern.test(tag))
    return refuse(
      `${quote(tag)} is no tag`,
      "a tag has up to 128 letters, digits, underscores, dots and dashes, and begins with neither dot nor dash",
    );
  if (path === "") return refuse("the name of the repository is missing");
  const wrong = path.split("/").find((component) => !pathComponent.test(component));
  if (wrong !== undefined)
    return refuse(
      /[A-Z]/.test(wrong)
        ? `the repository ${quote(path)} has upper-case letters`
        : wrong === ""
          ? `the repository ${quote(path)} has an empty part`
          : `${quote(wrong)} is no part of a repository's name`,
      "repositories have lower-case letters and digits, with single dots, underscores or dashes between",
    );
  const isOfficial = registry === defaultRegistry && !path.includes("/");
  const repository = isOfficial ? `${officialPrefix}${path}` : path;
  if (`${registry}/${repository}`.length > maxRepositoryBytes)
    return refuse(`it has more than ${maxRepositoryBytes} characters`);
  const effectiveTag = tag ?? (digest === undefined ? defaultTag : undefined);
  return {
    registry,
    repository,
    ...(effectiveTag === undefined ? {} : { tag: effectiveTag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/**
 * Reads the name that somebody gives to an image, as {@link parseReference} does.
 *
 * @throws RunletError `ERR_RUNLET_IMAGE`, also for a name with a digest.
 */
export function parseNewName(text: string): Reference {
  const reference = parseReference(text);
  if (reference.digest === undefined) return reference;
  throw new RunletError("ERR_RUNLET_IMAGE", `${quote(text)} has a digest, which nobody chooses`, {
    hint: "give a name and a tag",
  });
}

function splitRegistry(named: string): [registry: string, rest: string] {
  const slash = named.indexOf("/");
  const first = named.slice(0, Math.max(slash, 0));
  if (!isRegistry(first, named)) return [defaultRegistry, named];
  // Docker Hub's own address of old.
  return [first === "index.docker.io" ? defaultRegistry : first, named.slice(slash + 1)];
}

/** The whole name, which {@link parseReference} reads back to the same: `docker.io/library/alpine:latest`. */
export function formatReference({ registry, repository, tag, digest }: Reference): string {
  return `${registry}/${repository}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}

/**
 * The name as people write it, without what is implied: `alpine` for `docker.io/library/alpine:latest`. {@link parseReference}
 * reads it back to the same.
 */
export function shortenReference(reference: Reference): string {
  const { registry, repository, tag, digest } = reference;
  if (registry !== defaultRegistry) return formatReference(isImplied(reference) ? { registry, repository } : reference);
  const isOfficial = repository.startsWith(officialPrefix) && !repository.slice(officialPrefix.length).includes("/");
  const path = isOfficial ? repository.slice(officialPrefix.length) : repository;
  // Docker Hub's "localhost/x" would be read as another registry's x, and 64 hexadecimal digits as no name at all.
  const short =
    isRegistry(path.split("/", 1)[0] ?? "", path) || /^[0-9a-f]{64}$/.test(path) ? `${registry}/${repository}` : path;
  const tagged = tag === undefined || isImplied(reference) ? short : `${short}:${tag}`;
  return digest === undefined ? tagged : `${tagged}@${digest}`;
}

function isImplied({ tag, digest }: Reference): boolean {
  return tag === defaultTag && digest === undefined;
}

/** Whether the part of a name before its first slash is a registry. */
function isRegistry(first: string, named: string): boolean {
  return named.includes("/") && first !== "" && (/[.:A-Z]/.test(first) || first === "localhost");
}
