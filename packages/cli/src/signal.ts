import { RunletError } from "@runlet/errors";

/** Linux's numbers, the same on every architecture that runlet supports. @see signal(7) */
const numbers = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
} as const;

/** Name of a signal that is not a realtime one. */
export type SignalName = keyof typeof numbers;

const synonyms: Readonly<Record<string, SignalName>> = {
  SIGIOT: "SIGABRT",
  SIGCLD: "SIGCHLD",
  SIGPOLL: "SIGIO",
  SIGUNUSED: "SIGSYS",
};

/** The first and last realtime signal as the C library counts them: it keeps 32 and 33 for itself. */
const realtime = { minimum: 34, maximum: 64 } as const;

/** Names of all signals that have one of their own. */
export const signalNames = Object.keys(numbers) as readonly SignalName[];

/**
 * @param text - a name, with or without `SIG`, in any case (`TERM`, `sigterm`, `RTMIN+3`), or a number from 0, which
 * only asks whether the process can be signalled, to 64.
 * @throws {@link RunletError} `ERR_RUNLET_INVALID_SIGNAL`.
 */
export function parseSignal(text: string): number {
  const number = /^[0-9]+$/.test(text) ? Number(text) : signalNumber(text);
  if (number === undefined || number > realtime.maximum) {
    throw new RunletError("ERR_RUNLET_INVALID_SIGNAL", `unknown signal ${JSON.stringify(text)}`, {
      hint: "give a name such as TERM or RTMIN+1, or a number up to 64",
      details: { signal: text },
    });
  }
  return number;
}

/** The number of a signal's name, in the forms that {@link parseSignal} takes; undefined when there is no such signal. */
export function signalNumber(text: string): number | undefined {
  const upper = text.toUpperCase();
  const name = upper.startsWith("SIG") ? upper : `SIG${upper}`;
  const [, edge, sign, offset = "0"] = /^SIG(RTMIN|RTMAX)(?:([+-])([0-9]{1,2}))?$/.exec(name) ?? [];
  if (edge !== undefined) {
    const number = edge === "RTMIN" ? realtime.minimum + Number(offset) : realtime.maximum - Number(offset);
    const fits = sign === undefined || (sign === "+") === (edge === "RTMIN");
    return fits && number >= realtime.minimum && number <= realtime.maximum ? number : undefined;
  }
  const known = synonyms[name] ?? name;
  return Object.hasOwn(numbers, known) ? numbers[known as SignalName] : undefined;
}
