/** In the order of their numbers, from 1 on. @see signal(7) */
const names = (
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT " +
  "CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
).split(" ");

/** Numbers of signals by their names, `SIGTERM`. */
export const signalNumbers: Readonly<Record<string, number>> = Object.fromEntries(
  names.map((name, index) => [`SIG${name}`, index + 1]),
);

/** `SIGTERM` for 15; a number without a name as text. */
export function signalName(number: number): string {
  const name = names[number - 1];
  return name === undefined ? String(number) : `SIG${name}`;
}
