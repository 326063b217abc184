import { quote, RunletError } from "@runlet/errors";
import { type CredentialSource, storedCredentials } from "./credential-store.ts";
import { HttpClient } from "./http-client.ts";
import { environmentProxies, type ProxyFinder } from "./proxy.ts";
import type { RetryPolicy } from "./retry.ts";

/** A repository of a registry, and how it is talked to. */
export interface RegistryOptions {
  /** Host, with a port where it has one: `ghcr.io`, `localhost:5000`; `docker.io` is Docker Hub. */
  readonly host: string;
  /** Name of the repository as the registry knows it: `library/alpine`. */
  readonly repository: string;
  /**
   * Mirrors as `[https://|http://]HOST[/PREFIX]`, asked before the registry, in this order; the next one is asked when one
   * does not have something or fails. Only reads go to a mirror.
   */
  readonly mirrors?: readonly string[] | undefined;
  /** Default: {@link storedCredentials}. */
  readonly credentials?: CredentialSource | undefined;
  /** Talks plain HTTP to the registry if it does not talk TLS. To `localhost` that is always so. */
  readonly allowsPlainHttp?: boolean | undefined;
  /** Takes whatever certificate the registry shows. */
  readonly acceptsAnyCertificate?: boolean | undefined;
  /** Certificates in PEM that are trusted beside the usual ones. */
  readonly certificateAuthorities?: readonly string[] | undefined;
  /** Default: the proxies that the environment names; see {@link environmentProxies}. */
  readonly findProxy?: ProxyFinder | undefined;
  /** How long a registry may keep silent; `Infinity` for as long as it likes. Default 60 s. */
  readonly stallTimeoutMs?: number | undefined;
  /** Default: five tries, pauses of half a second, doubled each time, a minute at most. */
  readonly retry?: Partial<RetryPolicy> | undefined;
}

const defaultStallTimeoutMs = 60_000;
/** 24 days: the longest that a timer of Node's waits. A longer time would be none. */
const maximumTimerMs = 2 ** 31 - 1;
const defaultRetry: RetryPolicy = { attempts: 5, baseDelayMs: 500, maximumDelayMs: 60_000 };

/** {@link RegistryOptions}, checked and complete, and the connections that all share. */
export interface RegistrySettings {
  readonly host: string;
  readonly repository: string;
  readonly mirrors: readonly Location[];
  readonly credentials: CredentialSource;
  readonly allowsPlainHttp: boolean;
  readonly retry: RetryPolicy;
  readonly client: HttpClient;
}

/** One place where a repository is. */
export interface Location {
  readonly host: string;
  readonly repository: string;
  /** Given with the address; undefined: TLS, unless plain HTTP is allowed and the server talks nothing else. */
  readonly protocol?: "http:" | "https:" | undefined;
}

/**
 * Checks options and fills them up.
 *
 * @throws RunletError `ERR_RUNLET_USAGE` for a host, a repository or a mirror that is none.
 */
export function readOptions(options: RegistryOptions): RegistrySettings {
  const { host, repository } = options;
  checkHost(host);
  checkRepository(repository);
  return {
    host,
    repository,
    mirrors: (options.mirrors ?? []).map((text) => readMirror(text, repository)),
    credentials: options.credentials ?? storedCredentials(),
    allowsPlainHttp: options.allowsPlainHttp ?? false,
    retry: { ...defaultRetry, ...options.retry },
    client: new HttpClient({
      stallTimeoutMs: Math.min(options.stallTimeoutMs ?? defaultStallTimeoutMs, maximumTimerMs),
      certificateAuthorities: options.certificateAuthorities ?? [],
      acceptsAnyCertificate: options.acceptsAnyCertificate ?? false,
      findProxy: options.findProxy ?? environmentProxies(process.env),
    }),
  };
}

/** @see the grammar of names in the distribution specification, "Pulling manifests" */
const repositoryPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const hostPattern = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const digestPattern = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;

function checkHost(host: string): void {
  if (hostPattern.test(host) && URL.canParse(`https://${host}/`)) return;
  throw new RunletError("ERR_RUNLET_USAGE", `${quote(host)} is no host of a registry`);
}

/** @throws RunletError `ERR_RUNLET_USAGE` for what is no name of a repository. */
export function checkRepository(repository: string): void {
  if (repositoryPattern.test(repository) && repository.length <= 255) return;
  throw new RunletError("ERR_RUNLET_USAGE", `${quote(repository)} is no name of a repository`);
}

/** Whether a text is a tag. */
export function isTag(text: unknown): text is string {
  return typeof text === "string" && tagPattern.test(text);
}

/** @throws RunletError `ERR_RUNLET_USAGE` for what is neither a tag nor a digest. */
export function checkReference(reference: string): void {
  if (isTag(reference) || digestPattern.test(reference)) return;
  throw new RunletError("ERR_RUNLET_USAGE", `${quote(reference)} is neither a tag nor a digest`);
}

function readMirror(text: string, repository: string): Location {
  const [, protocol, rest = ""] = /^(https?:)?(?:\/\/)?(.*?)\/*$/.exec(text) ?? [];
  const slash = rest.indexOf("/");
  const host = slash < 0 ? rest : rest.slice(0, slash);
  const name = slash < 0 ? repository : `${rest.slice(slash + 1)}/${repository}`;
  checkHost(host);
  checkRepository(name);
  return { host, repository: name, protocol: protocol as Location["protocol"] };
}
