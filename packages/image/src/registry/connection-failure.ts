import { RunletError } from "@runlet/errors";

/** Error codes of connections that may well succeed at the next try; Bun has words of its own. */
const transientCodes: ReadonlySet<string> = new Set([
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EAI_AGAIN",
  "ENETUNREACH",
  "EHOSTUNREACH",
  "ERR_STREAM_PREMATURE_CLOSE",
  "HPE_INVALID_EOF_STATE",
  "ConnectionClosed",
  "Timeout",
]);

/** A connection that was not made, broke off or fell silent. It becomes a RunletError once nothing is left to try. */
export class ConnectionFailure extends Error {
  readonly url: URL;
  /** The error's code as Node names it: `ECONNREFUSED`, `CERT_HAS_EXPIRED`; undefined where there is none. */
  readonly code: string | undefined;
  /** Whether trying again may help. */
  readonly isTransient: boolean;
  /** Whether the server kept silent for too long. */
  readonly isStall: boolean;

  private constructor(
    message: string,
    facts: { url: URL; code?: string | undefined; isTransient: boolean; isStall?: boolean; cause?: unknown },
  ) {
    super(message, { cause: facts.cause });
    this.name = "ConnectionFailure";
    this.url = facts.url;
    this.code = facts.code;
    this.isTransient = facts.isTransient;
    this.isStall = facts.isStall ?? false;
  }

  /** Whether the server talks TLS, but its certificate is not one to trust. */
  get isCertificate(): boolean {
    return /CERT|UNABLE_TO_|INVALID_CA|INVALID_PURPOSE/.test(this.code ?? "");
  }

  static from(url: URL, cause: unknown): ConnectionFailure {
    if (cause instanceof ConnectionFailure) return cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    // Every address that a name has may fail with an error of its own.
    const inner = cause instanceof AggregateError ? (cause.errors[0] as NodeJS.ErrnoException | undefined) : undefined;
    const known = code ?? inner?.code;
    // Node's own words for it are "aborted" and "socket hang up".
    const text = known === "ECONNRESET" ? "the connection broke off" : (inner?.message ?? message);
    return new ConnectionFailure(text, {
      url,
      code: known,
      isTransient: transientCodes.has(known ?? ""),
      cause,
    });
  }

  /** The server has sent nothing for that time. */
  static stalled(url: URL, timeoutMs: number): ConnectionFailure {
    return new ConnectionFailure(`no answer for ${timeoutMs / 1000} s`, { url, isTransient: true, isStall: true });
  }

  /** The body ended before its announced length. */
  static truncated(url: URL, facts: { readonly doneBytes: number; readonly totalBytes: number }): ConnectionFailure {
    const message = `the answer broke off after ${facts.doneBytes} of ${facts.totalBytes} bytes`;
    return new ConnectionFailure(message, { url, code: "ECONNRESET", isTransient: true });
  }
}

/** The error of a transfer that its signal ended. */
export function aborted(signal: AbortSignal): RunletError {
  return new RunletError("ERR_RUNLET_ABORTED", "the transfer was aborted", { cause: signal.reason });
}

/** @throws RunletError `ERR_RUNLET_ABORTED` once the signal has been given. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw aborted(signal);
}
