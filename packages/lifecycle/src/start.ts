import { closeSync } from "node:fs";
import { type RunletError, SyscallError } from "@runlet/errors";
import {
  connectUnix,
  createMemoryFile,
  receiveMessage,
  SOCK_SEQPACKET,
  sendMessage,
  waitReadable,
} from "@runlet/syscall";
import { explainExec } from "./exec-failure.ts";
import { failureOf, type RecordedOperation } from "./failure.ts";
import type { HookState } from "./hook-runner.ts";
import { decodeReport, goMessage, maxReportBytes, type Report } from "./message.ts";
import { passListener } from "./seccomp-listener.ts";
import { startSocketName } from "./state-directory.ts";
import type { StateRecord } from "./state-record.ts";

/**
 * Connects to a container that waits for its start.
 *
 * @param directoryFd - the container's directory; stays the caller's.
 * @returns null when nobody listens.
 */
export function connectForStart(directoryFd: number): (Disposable & { readonly fd: number }) | null {
  try {
    const fd = connectUnix(directoryFd, startSocketName, SOCK_SEQPACKET);
    return { fd, [Symbol.dispose]: () => closeSync(fd) };
  } catch (error) {
    if (error instanceof SyscallError && (error.code === "ENOENT" || error.code === "ECONNREFUSED")) return null;
    throw error;
  }
}

/**
 * Lets a created container go on, and waits until its process has been executed.
 *
 * @param connectionFd - see {@link connectForStart}; stays the caller's.
 * @param state - what startContainer hooks get on standard input.
 * @throws RunletError of the operation that failed.
 */
export async function startProcess(connectionFd: number, record: StateRecord, state: HookState): Promise<void> {
  const hasHooks = record.startOperations.operations.some(({ op }) => op === "hook");
  const stateFd = hasHooks ? createMemoryFile("runlet-state", new TextEncoder().encode(JSON.stringify(state))) : null;
  sendMessage(connectionFd, goMessage, stateFd === null ? [] : [stateFd]);
  if (stateFd !== null) closeSync(stateFd);
  for (;;) {
    const message = receiveMessage(connectionFd, maxReportBytes);
    if (message === null) {
      await waitReadable(connectionFd);
      continue;
    }
    const report = decodeReport(message);
    // The end of the connection: execve(2) closed it.
    if (report === null) return;
    if (report.kind === "failed") throw await explainFailure(record, report);
    if (report.kind === "listener") passListener({ spec: record.config, state, fds: report.fds });
  }
}

async function explainFailure(record: StateRecord, report: Report): Promise<RunletError> {
  const { firstIndex, operations } = record.startOperations;
  const recorded: RecordedOperation = operations[report.index - firstIndex] ?? { op: "exec", from: "", subject: "" };
  const [rootFd, ...otherFds] = report.fds;
  for (const fd of otherFds) closeSync(fd);
  if (report.call !== "execve" || rootFd === undefined) {
    if (rootFd !== undefined) closeSync(rootFd);
    return failureOf(recorded, report);
  }
  return await explainExec(record.config.process, report, rootFd);
}
