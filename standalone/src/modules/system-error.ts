import { errnoMessage, errnoName } from "@runlet/errors";

/** What a system call was applied to. */
interface Subject {
  readonly path?: string;
  readonly dest?: string;
}

/** An error in the shape of Node's own for a system call that failed. */
export interface SystemError extends Error, Subject {
  /** Negative. */
  errno: number;
  code: string;
  syscall: string;
}

/** @param number - the error number, negative. */
export function systemError(number: number, syscall: string, subject: Subject = {}): SystemError {
  const code = errnoName(-number);
  const { path, dest } = subject;
  const of = path === undefined ? "" : ` '${path}'${dest === undefined ? "" : ` -> '${dest}'`}`;
  return Object.assign(new Error(`${code}: ${errnoMessage(-number)}, ${syscall}${of}`), {
    errno: number,
    code,
    syscall,
    ...subject,
  });
}

/** As {@link systemError}, with the shorter message of the calls that have nothing to do with files. */
export function callError(number: number, syscall: string, subject: Subject = {}): SystemError {
  const error = systemError(number, syscall, subject);
  error.message = `${syscall} ${error.code}`;
  return error;
}
