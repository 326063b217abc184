import { signalName } from "@runlet/lifecycle";
import { catchNativeSignals } from "@runlet/syscall";
import { signalNames } from "./signal-names.ts";

/**
 * Signals that are not passed on: the two that nobody can catch, those that the kernel sends for a fault of our own, those
 * about our own children and window, and those that stop us when we reach for the terminal from the background.
 */
const ownSignals: ReadonlySet<string> = new Set([
  "SIGKILL",
  "SIGSTOP",
  "SIGSEGV",
  "SIGBUS",
  "SIGFPE",
  "SIGILL",
  "SIGTRAP",
  "SIGCHLD",
  "SIGWINCH",
  "SIGTTIN",
  "SIGTTOU",
]);

const SIGSTKFLT = 16;
const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** Signals that not both of Node and Bun hand over. Bun needs SIGPWR, the other one, for itself. */
const nativeSignals: readonly number[] = [
  SIGSTKFLT,
  ...Array.from({ length: SIGRTMAX - SIGRTMIN + 1 }, (_, index) => SIGRTMIN + index),
];

/** By which a person or a supervisor asks for the end. */
const endSignals: ReadonlySet<string> = new Set(["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]);

/** Catches signals for a container that runs in the foreground. */
export interface SignalForwarding extends Disposable {
  /** Fires when the end is asked for before there is a container to pass that on to. */
  readonly abortSignal: AbortSignal;
  /** The signal that fired it. */
  readonly abortedBy: string | undefined;
  /** Hands over the signals that came so far, and from then on each as it comes. */
  forwardTo(deliver: (signal: string) => void): void;
}

/**
 * Catches every signal that can be passed on, from this moment on. Until there is a container, one that asks for the end
 * aborts its making, and the others wait.
 */
export function catchSignals(): SignalForwarding {
  const abort = new AbortController();
  const waiting: string[] = [];
  let abortedBy: string | undefined;
  let deliver: ((signal: string) => void) | undefined;
  const onSignal = (signal: string) => {
    if (deliver !== undefined) deliver(signal);
    else if (endSignals.has(signal)) {
      abortedBy ??= signal;
      abort.abort();
    } else waiting.push(signal);
  };
  const native = catchNativeSignals(nativeSignals, (number) => onSignal(signalName(number)));
  const names = signalNames.filter(
    (name): name is NodeJS.Signals => !ownSignals.has(name) && name !== signalName(SIGSTKFLT),
  );
  for (const name of names) process.on(name, onSignal);
  return {
    abortSignal: abort.signal,
    get abortedBy() {
      return abortedBy;
    },
    forwardTo: (to) => {
      deliver = to;
      for (const signal of waiting.splice(0)) to(signal);
    },
    [Symbol.dispose]: () => {
      native[Symbol.dispose]();
      for (const name of names) process.off(name, onSignal);
    },
  };
}
