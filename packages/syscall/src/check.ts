import { SyscallError } from "@runlet/errors";

/** Passes a result through, or throws what a negative one says. */
export function check(result: number, syscall: string, path?: string): number {
  if (result < 0) throw new SyscallError(syscall, -result, path);
  return result;
}
