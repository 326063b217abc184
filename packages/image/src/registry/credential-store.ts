import { authFilePaths, findCredentials, findHelper, helperServer, readAuthFile } from "./auth-file.ts";
import { askHelper } from "./credential-helper.ts";
import type { Credentials } from "./credentials.ts";

/** For whom credentials are looked up. */
export interface CredentialRequest {
  /** Host of the registry, with a port where it has one; `docker.io` for Docker Hub. */
  readonly host: string;
  readonly repository: string;
  readonly signal?: AbortSignal | undefined;
}

/** Where credentials come from; undefined: none, ask anonymously. */
export type CredentialSource = (request: CredentialRequest) => Promise<Credentials | undefined>;

/** How long a credential helper may take: it may ask a person. */
const helperTimeoutMs = 60_000;

/**
 * The credentials that the user's other tools have stored: those of the auth files, and of the helpers that these name.
 *
 * @param environment - says where the files are; default: the process's. `REGISTRY_AUTH_FILE`, `XDG_RUNTIME_DIR`,
 *   `XDG_CONFIG_HOME`, `DOCKER_CONFIG` and `HOME` are looked at.
 */
export function storedCredentials(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): CredentialSource {
  return async ({ host, repository, signal }) => {
    for (const hostPath of authFilePaths(environment, process.getuid?.())) {
      const file = await readAuthFile(hostPath);
      if (file === undefined) continue;
      const name = findHelper(file, host) ?? file.credsStore;
      const found =
        (name === undefined
          ? undefined
          : await askHelper({ name, server: helperServer(host), timeoutMs: helperTimeoutMs, signal })) ??
        findCredentials(file, host, repository);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

/** Credentials for one host, and none for any other. */
export function fixedCredentials(host: string, credentials: Credentials): CredentialSource {
  return (request) => Promise.resolve(request.host === host ? credentials : undefined);
}
