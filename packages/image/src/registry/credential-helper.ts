import { quote, RunletError } from "@runlet/errors";
import { type Credentials, readCredentials } from "./credentials.ts";

/** The longest answer of a helper that is read. */
const answerLimitBytes = 64 * 1024;

/** What helpers print, with exit status 1, when they know nothing of a server. */
const notFoundText = "credentials not found in native keychain";

/** How a helper is called. */
export interface HelperOptions {
  /** The helper is `docker-credential-NAME`, looked for in the search path. */
  readonly name: string;
  /** The server as the helper knows it, e.g. `ghcr.io` or `https://index.docker.io/v1/`. */
  readonly server: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks a credential helper. It is run without a shell and gets the server on its standard input.
 *
 * @returns undefined where the helper knows nothing of the server.
 * @throws RunletError `ERR_RUNLET_REGISTRY` when it cannot be run, fails, or answers what cannot be read;
 *   `ERR_RUNLET_TIMEOUT` when it takes too long. The messages never hold a secret.
 * @see https://github.com/docker/docker-credential-helpers for the protocol
 */
export async function askHelper(options: HelperOptions): Promise<Credentials | undefined> {
  const { name, server } = options;
  const program = `docker-credential-${name}`;
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
    throw new RunletError("ERR_RUNLET_REGISTRY", `${quote(name)} is no name of a credential helper`);
  }
  const { status, output } = await runHelper(program, options);
  if (status !== 0) {
    if (output.includes(notFoundText)) return undefined;
    throw new RunletError(
      "ERR_RUNLET_REGISTRY",
      `the credential helper ${program} failed for ${quote(server)} with exit status ${status ?? "of a signal"}`,
    );
  }
  const answer = readAnswer(output);
  if (answer === undefined) {
    throw new RunletError("ERR_RUNLET_REGISTRY", `the credential helper ${program} gave no credentials in JSON`);
  }
  return readCredentials(answer.username, answer.secret);
}

interface HelperResult {
  /** Exit status; null when a signal ended it. */
  readonly status: number | null;
  readonly output: string;
}

async function runHelper(program: string, { server, timeoutMs, signal }: HelperOptions): Promise<HelperResult> {
  const { spawn } = await import("node:child_process");
  return new Promise((resolve, reject) => {
    const child = spawn(program, ["get"], { stdio: ["pipe", "pipe", "ignore"], signal, shell: false });
    const chunks: Buffer[] = [];
    let doneBytes = 0;
    const fail = (error: RunletError) => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      reject(error);
    };
    const timer = setTimeout(() => {
      fail(
        new RunletError(
          "ERR_RUNLET_TIMEOUT",
          `the credential helper ${program} gave no answer in ${timeoutMs / 1000} s`,
        ),
      );
    }, timeoutMs);
    child.on("error", (cause: NodeJS.ErrnoException) => {
      const isAborted = signal?.aborted === true;
      fail(
        isAborted
          ? new RunletError("ERR_RUNLET_ABORTED", `the credential helper ${program} was aborted`, { cause })
          : new RunletError("ERR_RUNLET_REGISTRY", `cannot run the credential helper ${program}`, {
              errno: cause.code,
              hint: "install it, or take it out of the credsStore and credHelpers of the client's config.json",
              cause,
            }),
      );
    });
    child.stdout.on("data", (chunk: Buffer) => {
      doneBytes += chunk.length;
      if (doneBytes <= answerLimitBytes) chunks.push(chunk);
      else fail(new RunletError("ERR_RUNLET_REGISTRY", `the answer of the credential helper ${program} is too long`));
    });
    // A helper may end without having read its input.
    child.stdin.on("error", () => {});
    child.stdin.end(server);
    child.on("close", (status) => {
      clearTimeout(timer);
      resolve({ status, output: Buffer.concat(chunks).toString() });
    });
  });
}

function readAnswer(text: string): { username: string; secret: string } | undefined {
  try {
    const answer = JSON.parse(text) as { Username?: unknown; Secret?: unknown } | null;
    if (typeof answer?.Username !== "string" || typeof answer.Secret !== "string") return undefined;
    return { username: answer.Username, secret: answer.Secret };
  } catch {
    return undefined;
  }
}
