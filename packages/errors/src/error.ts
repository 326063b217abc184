import type { ErrorCode } from "./codes.ts";
import { errnoMessage, errnoName } from "./errno.ts";

const brand = Symbol.for("@runlet/errors.RunletError");

/** What a {@link RunletError} can say besides its message. All parts are optional: give those that are known. */
export interface ErrorDetails {
  /** JSON Pointer (RFC 6901) of the config entry at fault, e.g. `/mounts/3`. */
  readonly pointer?: string | undefined;
  /** What the pointer points into. Default `config.json`. */
  readonly document?: string | undefined;
  /** The system call that failed, without its section: `mount`. */
  readonly syscall?: string | undefined;
  /** The kernel's name of the error number: `ENODEV`. */
  readonly errno?: string | undefined;
  /** What the errno means here, when more is known than strerror(3) says. */
  readonly explanation?: string | undefined;
  /** What the reader can do about it: an imperative, one sentence. */
  readonly hint?: string | undefined;
  /** Facts for programs, by name. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  readonly cause?: unknown;
}

/**
 * An error that a user can cause, as opposed to a bug (a plain `Error`). Recognise it with {@link isRunletError}, which
 * holds across copies of this package.
 */
export class RunletError extends Error {
  /** Stable code; see `errorCodes`. */
  readonly code: ErrorCode;
  readonly pointer: string | undefined;
  readonly document: string | undefined;
  readonly syscall: string | undefined;
  readonly errno: string | undefined;
  readonly explanation: string | undefined;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  /**
   * @param code - stable code.
   * @param message - one line, no trailing period: what was being done to what, and what went wrong.
   * @param options - the facts beside the message.
   */
  constructor(code: ErrorCode, message: string, options: ErrorDetails = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "RunletError";
    this.code = code;
    this.pointer = options.pointer;
    this.document = options.document;
    this.syscall = options.syscall;
    this.errno = options.errno;
    this.explanation = options.explanation;
    this.hint = options.hint;
    this.details = options.details;
    Object.defineProperty(this, brand, { value: true });
  }
}

/** Whether `error` is a {@link RunletError} of any copy of this package. */
export function isRunletError(error: unknown): error is RunletError {
  return typeof error === "object" && error !== null && (error as Record<symbol, unknown>)[brand] === true;
}

/**
 * A system call that failed, in the shape of Node's own errors: `code` is the errno's name, so that
 * `error.code === "ENOENT"` works alike for both. It travels as the `cause` of a {@link RunletError}.
 */
export class SyscallError extends Error {
  /** Name of the error number: `ENOENT`. */
  readonly code: string;
  /** The negative error number, as Node gives it. */
  readonly errno: number;
  readonly syscall: string;
  readonly path: string | undefined;

  /**
   * @param syscall - name of the call: `openat2`.
   * @param number - the error number, of either sign.
   * @param path - what it was applied to.
   */
  constructor(syscall: string, number: number, path?: string) {
    const positive = Math.abs(number);
    const code = errnoName(positive);
    super(`${syscall}: ${code} (${errnoMessage(positive)})${path === undefined ? "" : ` ${quote(path)}`}`);
    this.name = "SyscallError";
    this.code = code;
    this.errno = -positive;
    this.syscall = syscall;
    this.path = path;
  }
}

/**
 * Quotes text of unknown origin for a message: JSON's escapes for quotes and control characters, so that a name from a
 * root filesystem or an archive cannot drive a terminal. Longer than 200 characters is shortened.
 */
export function quote(text: string): string {
  const short = text.length > 200 ? `${text.slice(0, 199)}…` : text;
  return JSON.stringify(short).replace(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
