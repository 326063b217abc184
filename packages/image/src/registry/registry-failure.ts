import { quote, RunletError } from "@runlet/errors";
import { ConnectionFailure } from "./connection-failure.ts";
import type { HttpResponse } from "./http-client.ts";
import { readBody } from "./limited-body.ts";
import { readRetryAfter } from "./retry.ts";

/** The most that is read of what a registry says about an error. */
const errorLimitBytes = 16 * 1024;

/**
 * The error of an answer whose status is no success. Its body is read or given up.
 *
 * @param what - what was being done: `cannot read the manifest of "latest" in "alpine"`.
 * @param hints - what to do about a status, where it is not the usual.
 */
export async function refusal(
  response: HttpResponse,
  what: string,
  hints: Readonly<Record<number, string>> = {},
): Promise<RunletError> {
  const { status, url } = response;
  const said = await readReason(response);
  const waitMs = readRetryAfter(response.header("retry-after"), Date.now()) ?? Number.NaN;
  return new RunletError(
    "ERR_RUNLET_REGISTRY",
    `${what}: ${quote(url.host)} answers ${status}${meaningOf(status)}${said === undefined ? "" : ` (${said})`}`,
    { hint: hints[status] ?? hintOf(status, { host: url.host, waitMs }), details: { status, host: url.host } },
  );
}

/**
 * The error of a connection that failed for good; any other error is handed back as it is.
 *
 * @param what - what was being done.
 * @param again - what to do where trying again may help.
 */
export function explainConnection(error: unknown, what: string, again = "try again later"): unknown {
  if (!(error instanceof ConnectionFailure)) return error;
  const { code, url, message, isStall, isTransient } = error;
  const hint = isStall ? `${again}, or allow more time with --timeout` : isTransient ? again : undefined;
  return new RunletError(
    isStall ? "ERR_RUNLET_TIMEOUT" : "ERR_RUNLET_REGISTRY",
    `${what}: ${quote(url.host)}: ${isStall ? message : quote(message).slice(1, -1)}`,
    {
      hint: connectionHint(code) ?? hint,
      details: { host: url.host, ...(code === undefined ? {} : { code }) },
      cause: error,
    },
  );
}

const meanings: Readonly<Record<number, string>> = {
  401: ", unauthorized",
  403: ", forbidden",
  404: ", not found",
  405: ", method not allowed",
  413: ", too large",
  416: ", range not satisfiable",
  429: ", too many requests",
};

function meaningOf(status: number): string {
  return meanings[status] ?? (status >= 500 ? ", an error of the registry" : "");
}

function hintOf(status: number, { host, waitMs }: { host: string; waitMs: number }): string | undefined {
  switch (status) {
    case 401:
      return `log in to ${quote(host)} with a tool that stores credentials, such as docker login or skopeo login`;
    case 403:
      return "ask for access to the repository; what is said of a repository that does not exist may be the same";
    case 404:
      return "check the name of the repository and the tag";
    case 429:
      return `try again ${Number.isFinite(waitMs) ? `in ${Math.ceil(waitMs / 1000)} s` : "later"}, or log in`;
    default:
      return status >= 500 ? "try again later" : undefined;
  }
}

function connectionHint(code: string | undefined): string | undefined {
  switch (code) {
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "check the name of the registry and this machine's name server";
    case "ECONNREFUSED":
    case "ConnectionRefused":
      return "check the port of the registry and that it runs";
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
      return "give the certificate authority of the registry";
    case "EPROTO":
    case "ERR_SSL_WRONG_VERSION_NUMBER":
      return "allow plain HTTP if the registry has no TLS";
    default:
      return undefined;
  }
}

/** The first error of a body as the distribution specification has it, quoted. */
async function readReason(response: HttpResponse): Promise<string | undefined> {
  try {
    const bytes = await readBody(response, { limitBytes: errorLimitBytes, what: "an error" });
    const document = JSON.parse(new TextDecoder().decode(bytes)) as {
      errors?: { code?: unknown; message?: unknown }[];
      details?: unknown;
    } | null;
    const first = document?.errors?.[0];
    const text = [first?.code, first?.message ?? document?.details]
      .filter((part) => typeof part === "string")
      .join(": ");
    return text === "" ? undefined : quote(text);
  } catch {
    // An error without words of its own: the status says enough.
    return undefined;
  }
}
