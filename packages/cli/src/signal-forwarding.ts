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

/** By which a person or a supervisor asks for the end. */
const endSignals: ReadonlySet<string> = new Set(["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]);

/** Catches signals for a container that runs in the foreground. */
export interface SignalForwarding extends Disposable {
  /** Fires when the end is asked for before there is a container to pass that on to. */
  readonly abortSignal: AbortSignal;
  /** The signal that fired it. */
  readonly abortedBy: NodeJS.Signals | undefined;
  /** Hands over the signals that came so far, and from then on each as it comes. */
  forwardTo(deliver: (signal: NodeJS.Signals) => void): void;
}

/**
 * Catches every signal that can be passed on, from this moment on. Until there is a container, one that asks for the end
 * aborts its making, and the others wait.
 */
export function catchSignals(): SignalForwarding {
  const abort = new AbortController();
  const waiting: NodeJS.Signals[] = [];
  let abortedBy: NodeJS.Signals | undefined;
  let deliver: ((signal: NodeJS.Signals) => void) | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    if (deliver !== undefined) deliver(signal);
    else if (endSignals.has(signal)) {
      abortedBy ??= signal;
      abort.abort();
    } else waiting.push(signal);
  };
  const names = signalNames.filter((name): name is NodeJS.Signals => !ownSignals.has(name));
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
      for (const name of names) process.off(name, onSignal);
    },
  };
}
