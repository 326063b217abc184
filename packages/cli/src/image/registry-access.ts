import { access, constants, readFile } from "node:fs/promises";
import { quote, RunletError } from "@runlet/errors";
import type { CredentialSource, RegistryOptions } from "@runlet/image";
import type { OptionValues } from "../command.ts";
import type { registryOptions } from "../options/image.ts";

/**
 * How registries are reached, from a command's options.
 *
 * @param host - the registry that `--creds` is for.
 * @throws RunletError `ERR_RUNLET_USAGE` for a file that cannot be read, or `--creds` without a colon.
 */
export async function registryAccess(
  options: OptionValues<typeof registryOptions>,
  host: string,
): Promise<Omit<RegistryOptions, "host" | "repository">> {
  const isUnverified = options["tls-verify"] === "false";
  return {
    credentials: await credentialSource(options, host),
    allowsPlainHttp: isUnverified,
    acceptsAnyCertificate: isUnverified,
    certificateAuthorities: await Promise.all(options["ca-file"].map(readCertificates)),
    stallTimeoutMs: options.timeout || Number.POSITIVE_INFINITY,
  };
}

async function credentialSource(
  { creds, authfile }: Pick<OptionValues<typeof registryOptions>, "creds" | "authfile">,
  host: string,
): Promise<CredentialSource> {
  const { fixedCredentials, storedCredentials } = await import("@runlet/image");
  if (creds !== undefined) {
    const colon = creds.indexOf(":");
    if (colon < 1) throw new RunletError("ERR_RUNLET_USAGE", "--creds wants USER:PASSWORD");
    const credentials = { username: creds.slice(0, colon), password: creds.slice(colon + 1) };
    return fixedCredentials(host, { kind: "password", ...credentials });
  }
  if (authfile === undefined) return storedCredentials();
  // Of the usual places any may have none; one that was named has to be there.
  try {
    await access(authfile, constants.R_OK);
  } catch (error) {
    throw unreadable("credentials", authfile, error);
  }
  return storedCredentials({ REGISTRY_AUTH_FILE: authfile });
}

async function readCertificates(hostPath: string): Promise<string> {
  try {
    const text = await readFile(hostPath, "utf8");
    if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  } catch (error) {
    throw unreadable("certificates", hostPath, error);
  }
  throw new RunletError("ERR_RUNLET_USAGE", `${quote(hostPath)} holds no certificate in PEM`);
}

function unreadable(what: string, hostPath: string, cause: unknown): RunletError {
  const { code } = cause as NodeJS.ErrnoException;
  return new RunletError("ERR_RUNLET_USAGE", `cannot read the ${what} in ${quote(hostPath)}`, { errno: code, cause });
}
