import { quote, RunletError } from "@runlet/errors";

/** Signals by number from 1 on, signal(7), as on x86_64 and aarch64. */
const signalNames = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGILL",
  "SIGTRAP",
  "SIGABRT",
  "SIGBUS",
  "SIGFPE",
  "SIGKILL",
  "SIGUSR1",
  "SIGSEGV",
  "SIGUSR2",
  "SIGPIPE",
  "SIGALRM",
  "SIGTERM",
  "SIGSTKFLT",
  "SIGCHLD",
  "SIGCONT",
  "SIGSTOP",
  "SIGTSTP",
  "SIGTTIN",
  "SIGTTOU",
  "SIGURG",
  "SIGXCPU",
  "SIGXFSZ",
  "SIGVTALRM",
  "SIGPROF",
  "SIGWINCH",
  "SIGIO",
  "SIGPWR",
  "SIGSYS",
] as const;

const aliases: Readonly<Record<string, string>> = { SIGCLD: "SIGCHLD", SIGPOLL: "SIGIO", SIGIOT: "SIGABRT" };
const SIGRTMIN = 34;
const SIGRTMAX = 64;

/**
 * @param signal - a number from 0 to 64, or a name with or without `SIG` in any case, also `RTMIN+n` and `RTMAX-n`. 0 is no
 *   signal: kill(2) only looks whether there is a process.
 * @returns the signal's number.
 * @throws RunletError `ERR_RUNLET_INVALID_SIGNAL`.
 */
export function signalNumber(signal: string | number): number {
  const text = String(signal).trim();
  if (/^\d+$/.test(text)) {
    const number = Number(text);
    if (number <= SIGRTMAX) return number;
    throw unknownSignal(text);
  }
  const upper = text.toUpperCase();
  const name = upper.startsWith("SIG") ? upper : `SIG${upper}`;
  const index = (signalNames as readonly string[]).indexOf(aliases[name] ?? name);
  if (index >= 0) return index + 1;
  const realtime = /^SIGRT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (realtime !== null) {
    const offset = Number(realtime[3] ?? 0) * (realtime[2] === "-" ? -1 : 1);
    const number = (realtime[1] === "MIN" ? SIGRTMIN : SIGRTMAX) + offset;
    if (number >= SIGRTMIN && number <= SIGRTMAX) return number;
  }
  throw unknownSignal(text);
}

function unknownSignal(text: string): RunletError {
  return new RunletError("ERR_RUNLET_INVALID_SIGNAL", `unknown signal ${quote(text)}`, {
    hint: "give a name like TERM or SIGTERM, or a number from 0 to 64",
  });
}

/** @returns the name of a signal's number, `SIGRTMIN+1` for one of the real-time signals. */
export function signalName(number: number): string {
  const name = signalNames[number - 1];
  if (name !== undefined) return name;
  return number >= SIGRTMIN && number <= SIGRTMAX ? `SIGRTMIN+${number - SIGRTMIN}` : `SIG${number}`;
}
