import { quote, RunletError } from "@runlet/errors";
import { type Credentials, readCredentials } from "./credentials.ts";

/** Key of Docker Hub in auth files and for helpers. */
const dockerHubKey = "https://index.docker.io/v1/";

/**
 * A file of credentials: `config.json` of Docker's client, or `auth.json` of containers-auth.json(5).
 *
 * @see containers-auth.json(5)
 */
export interface AuthFile {
  readonly hostPath: string;
  readonly auths: ReadonlyMap<string, AuthEntry>;
  /** Helper for every server that has none of its own. */
  readonly credsStore: string | undefined;
  /** Helpers by server. */
  readonly credHelpers: ReadonlyMap<string, string>;
}

/** What an auth file says of one server. */
type AuthEntry = Readonly<Record<"auth" | "username" | "password" | "identitytoken" | "registrytoken", string>>;

/**
 * Where the user's credentials may lie, the first that answers counts: `REGISTRY_AUTH_FILE` alone where it is set; otherwise
 * `containers/auth.json` in `$XDG_RUNTIME_DIR`, or `auth.json` in `/run/containers/UID` without one; `containers/auth.json` in
 * `$XDG_CONFIG_HOME` or `~/.config`; and the `config.json` in `$DOCKER_CONFIG` or `~/.docker`.
 *
 * @param uid - of the user; undefined where there are none.
 */
export function authFilePaths(environment: Readonly<Record<string, string | undefined>>, uid?: number): string[] {
  const { REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, XDG_CONFIG_HOME, DOCKER_CONFIG, HOME } = environment;
  if (isSet(REGISTRY_AUTH_FILE)) return [REGISTRY_AUTH_FILE];
  const home = isSet(HOME) ? HOME : undefined;
  const runtimeHome = uid === undefined ? undefined : `/run/containers/${uid}/auth.json`;
  const configHome = isSet(XDG_CONFIG_HOME) ? XDG_CONFIG_HOME : home && `${home}/.config`;
  const dockerHome = isSet(DOCKER_CONFIG) ? DOCKER_CONFIG : home && `${home}/.docker`;
  return [
    isSet(XDG_RUNTIME_DIR) ? `${XDG_RUNTIME_DIR}/containers/auth.json` : runtimeHome,
    configHome && `${configHome}/containers/auth.json`,
    dockerHome && `${dockerHome}/config.json`,
  ].filter((hostPath) => hostPath !== undefined);
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== "";
}

/**
 * Reads an auth file.
 *
 * @returns undefined where there is none.
 * @throws RunletError `ERR_RUNLET_REGISTRY` where it cannot be read or is malformed.
 */
export async function readAuthFile(hostPath: string): Promise<AuthFile | undefined> {
  const { readFile } = await import("node:fs/promises");
  let text: string;
  try {
    text = await readFile(hostPath, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new RunletError("ERR_RUNLET_REGISTRY", `cannot read the credentials in ${quote(hostPath)}`, {
      errno: code,
      cause: error,
    });
  }
  const document = parseObject(text);
  if (document === undefined) {
    throw new RunletError("ERR_RUNLET_REGISTRY", `the credentials in ${quote(hostPath)} are no JSON object`);
  }
  return {
    hostPath,
    auths: new Map(entriesOf(document.auths).map(([key, value]) => [key, readEntry(value)])),
    credsStore: textOf(document.credsStore) || undefined,
    credHelpers: new Map(entriesOf(document.credHelpers).map(([key, value]) => [key, textOf(value)])),
  };
}

/**
 * What a file's `auths` say of a repository. The most exact key counts: `host/a/b`, `host/a`, `host`; of the host also
 * with a scheme and the path of an API version, as old clients have written it.
 *
 * @throws RunletError `ERR_RUNLET_REGISTRY` for an entry that is malformed.
 */
export function findCredentials(file: AuthFile, host: string, repository: string): Credentials | undefined {
  const parts = [host, ...repository.split("/")];
  for (let length = parts.length; length > 1; length--) {
    const entry = file.auths.get(parts.slice(0, length).join("/"));
    if (entry !== undefined) return credentialsOf(entry, file);
  }
  for (const [key, entry] of file.auths) if (serverOf(key) === host) return credentialsOf(entry, file);
  return undefined;
}

/** How helpers call a host. */
export function helperServer(host: string): string {
  return host === "docker.io" ? dockerHubKey : host;
}

/** The helper that a file names for a host. */
export function findHelper(file: AuthFile, host: string): string | undefined {
  for (const [key, name] of file.credHelpers) if (serverOf(key) === host) return name;
  return undefined;
}

/** The host of a key. */
function serverOf(key: string): string {
  const server = key.replace(/^https?:\/\//, "").replace(/\/(v1|v2)?\/?$/, "");
  return server === "index.docker.io" || server === "registry-1.docker.io" ? "docker.io" : server;
}

function credentialsOf(entry: AuthEntry, file: AuthFile): Credentials | undefined {
  if (entry.registrytoken !== "") return { kind: "registryToken", token: entry.registrytoken };
  if (entry.identitytoken !== "") return { kind: "identityToken", token: entry.identitytoken };
  if (entry.auth === "") return readCredentials(entry.username, entry.password);
  const text = Buffer.from(entry.auth, "base64").toString();
  const colon = text.indexOf(":");
  if (colon < 0) {
    throw new RunletError("ERR_RUNLET_REGISTRY", `an "auth" in ${quote(file.hostPath)} is not base64 of user:password`);
  }
  return readCredentials(text.slice(0, colon), text.slice(colon + 1).replace(/\0+$/, ""));
}

function readEntry(value: unknown): AuthEntry {
  const entry = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  return {
    auth: textOf(entry.auth),
    username: textOf(entry.username),
    password: textOf(entry.password),
    identitytoken: textOf(entry.identitytoken),
    registrytoken: textOf(entry.registrytoken),
  };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === "object" && value !== null ? Object.entries(value) : [];
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
