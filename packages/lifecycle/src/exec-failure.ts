import { errnoMessage, isRunletError, RunletError, SyscallError } from "@runlet/errors";
import type { Process } from "@runlet/spec";
import type { Report } from "./message.ts";

/**
 * execve(2) says in one number what can be many things: the file is looked at, through the container's own root.
 *
 * @param rootFd - the container's root directory; closed here.
 */
export async function explainExec(process: Process | undefined, report: Report, rootFd: number): Promise<RunletError> {
  // Only who fails needs it.
  const { diagnoseExecutable, RootDirectory } = await import("@runlet/rootfs");
  const root = new RootDirectory(rootFd);
  try {
    const { cwd = "/", user } = process ?? {};
    const containerPath = report.text.startsWith("/") ? report.text : `${cwd}/${report.text}`;
    const executor = { uid: user?.uid ?? 0, gids: [user?.gid ?? 0, ...(user?.additionalGids ?? [])] };
    const diagnosis = diagnoseExecutable({ root, containerPath, executor });
    return new RunletError("ERR_RUNLET_EXEC", `exec ${report.text}: ${errnoMessage(report.errno)}`, {
      pointer: "/process/args/0",
      syscall: "execve",
      errno: new SyscallError("execve", report.errno).code,
      explanation: diagnosis?.message,
      hint: diagnosis?.hint,
      ...(diagnosis === undefined ? {} : { details: { reason: diagnosis.reason } }),
    });
  } finally {
    root.close();
  }
}

/**
 * Where in the process of `exec` an entry is that a pointer into a config names: it comes from an option, a file or the
 * container's config.
 */
export function locationInProcess(pointer: string): { readonly pointer: string; readonly document?: string } {
  const parent = "/process";
  return pointer.startsWith(`${parent}/`)
    ? { pointer: pointer.slice(parent.length), document: "process" }
    : { pointer };
}

/** An error of `exec` with its location, {@link locationInProcess}. */
export function aboutProcess(error: unknown): unknown {
  if (!isRunletError(error) || error.pointer === undefined) return error;
  const { code, message, syscall, errno, explanation, hint, details, cause } = error;
  const facts = { syscall, errno, explanation, hint, details, cause };
  return new RunletError(code, message, { ...facts, ...locationInProcess(error.pointer) });
}
