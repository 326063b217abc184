/** node:tty, as far as the command uses it. */

import { isTerminal } from "runlet:system";

export function isatty(fd: number): boolean {
  return isTerminal(fd);
}
