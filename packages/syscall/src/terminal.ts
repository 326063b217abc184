import { SyscallError } from "@runlet/errors";
import { binding } from "./binding.ts";
import { check } from "./check.ts";

interface TerminalBinding {
  isatty(fd: number): number;
  getWindowSize(fd: number): number | [number, number, number, number];
  setWindowSize(fd: number, rows: number, columns: number, widthPixels: number, heightPixels: number): number;
  getTerminalMode(fd: number, bytes: Uint8Array): number;
  setTerminalMode(fd: number, bytes: Uint8Array): number;
  makeTerminalRaw(fd: number): number;
  keepNewlines(fd: number): number;
  relayTerminal(
    mainFd: number,
    inputFd: number,
    outputFd: number,
    endOfInput: number,
    lingerMs: number,
    onEnd: () => void,
  ): number | RelayHandle;
  endTerminalRelay(handle: RelayHandle): number;
}

declare const relayHandle: unique symbol;
interface RelayHandle {
  readonly [relayHandle]: true;
}

/** Size of a terminal; each number at most 65535. @see ioctl_tty(2), TIOCGWINSZ */
export interface WindowSize {
  /** In characters. */
  readonly rows: number;
  /** In characters. */
  readonly columns: number;
  /** 0 when unknown, which is usual. */
  readonly widthPixels?: number;
  /** 0 when unknown, which is usual. */
  readonly heightPixels?: number;
}

/** The mode of a terminal as {@link makeRaw} found it; opaque, for {@link restoreTerminal}. */
export type TerminalMode = Uint8Array;

/** Room for a `struct termios` of any C library: glibc's and musl's take 60 bytes. */
const modeCapacityBytes = 128;
/** Ctrl-D, the end-of-file character of a terminal that nobody has changed. @see termios(3), VEOF */
const endOfFileCharacter = 4;
/**
 * How long the output must be silent, after its end was asked for, to count as complete. The kernel hands terminal
 * output over in a worker of its own, so what the last process wrote may still be on its way.
 */
const lingerMs = 50;

/** Whether `fd` is a terminal; false for a descriptor that is not open. */
export function isatty(fd: number): boolean {
  return binding<TerminalBinding>().isatty(fd) === 1;
}

/**
 * @param fd - a terminal; stays the caller's.
 * @throws {@link SyscallError} `ENOTTY` when it is none.
 */
export function getWindowSize(fd: number): WindowSize {
  const size = binding<TerminalBinding>().getWindowSize(fd);
  if (typeof size === "number") throw new SyscallError("ioctl", -size);
  const [rows, columns, widthPixels, heightPixels] = size;
  return { rows, columns, widthPixels, heightPixels };
}

/**
 * Sets the size, which sends SIGWINCH to the terminal's foreground process group when it differs.
 *
 * @param fd - a terminal or the main end of a pseudo-terminal; stays the caller's.
 * @throws {@link SyscallError} `ENOTTY` when it is neither.
 */
export function setWindowSize(fd: number, size: WindowSize): void {
  const { rows, columns, widthPixels = 0, heightPixels = 0 } = size;
  check(binding<TerminalBinding>().setWindowSize(fd, rows, columns, widthPixels, heightPixels), "ioctl");
}

/**
 * Makes a terminal hand every key over as it is typed: no echo, no line editing, no signals by key. Unlike cfmakeraw(3),
 * a newline on output still returns to the left.
 *
 * @param fd - a terminal; stays the caller's.
 * @returns the mode as it was, for {@link restoreTerminal}.
 * @throws {@link SyscallError} `ENOTTY` when it is no terminal.
 */
export function makeRaw(fd: number): TerminalMode {
  const bytes = new Uint8Array(modeCapacityBytes);
  const length = check(binding<TerminalBinding>().getTerminalMode(fd, bytes), "tcgetattr");
  check(binding<TerminalBinding>().makeTerminalRaw(fd), "tcsetattr");
  return bytes.subarray(0, length);
}

/**
 * @param fd - the terminal that {@link makeRaw} changed; stays the caller's.
 * @param mode - what it returned.
 * @throws {@link SyscallError} `EIO` when the terminal is gone, `EINVAL` for bytes that are no mode.
 */
export function restoreTerminal(fd: number, mode: TerminalMode): void {
  check(binding<TerminalBinding>().setTerminalMode(fd, mode), "tcsetattr");
}

/**
 * Makes a terminal write `\n` as `\n`, not as `\r\n`. On the main end of a pseudo-terminal whose output goes to a file,
 * a pipe, or a terminal that adds the `\r` itself.
 *
 * @param fd - a terminal or the main end of a pseudo-terminal; stays the caller's.
 * @throws {@link SyscallError} `ENOTTY` when it is neither.
 */
export function keepNewlines(fd: number): void {
  check(binding<TerminalBinding>().keepNewlines(fd), "tcsetattr");
}

/** Between which descriptors {@link relayTerminal} copies. All are copied and stay the caller's. */
export interface TerminalRelayOptions {
  /** Main end of a pseudo-terminal; becomes non-blocking. */
  readonly mainFd: number;
  /** What is typed: a terminal, pipe or file. Its end is passed on as Ctrl-D, as often as a program may look for it. */
  readonly inputFd: number;
  /** Where the output goes. When it cannot be written any more, the rest is thrown away. */
  readonly outputFd: number;
}

/** A relay at work. It keeps the event loop alive until it has ended. */
export interface TerminalRelay {
  /** Fulfilled when all output is copied: every process has closed the terminal, or {@link TerminalRelay.finish} was called. */
  readonly ended: Promise<void>;
  /** Asks for the end once the output falls silent, though some process still holds the terminal. Twice is no error. */
  finish(): void;
}

/**
 * Copies between a terminal and the main end of a pseudo-terminal, both ways, in two threads of its own: neither Node's
 * streams nor its event loop take part.
 *
 * @throws {@link SyscallError} `EBADF` for a descriptor that is not open, `EAGAIN` when no thread can be made.
 */
export function relayTerminal(options: TerminalRelayOptions): TerminalRelay {
  let resolveEnded: () => void = () => {};
  const ended = new Promise<void>((resolve) => {
    resolveEnded = resolve;
  });
  const handle = binding<TerminalBinding>().relayTerminal(
    options.mainFd,
    options.inputFd,
    options.outputFd,
    endOfFileCharacter,
    lingerMs,
    () => resolveEnded(),
  );
  if (typeof handle === "number") throw new SyscallError("relay", -handle);
  return {
    ended,
    finish: () => {
      binding<TerminalBinding>().endTerminalRelay(handle);
    },
  };
}
