import { closeSync } from "node:fs";
import { errnoMessage, RunletError, SyscallError } from "@runlet/errors";
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
 * Lets a created container go on, and waits until its process has been executed.
 *
 * @param directoryFd - the container's directory; stays the caller's.
 * @param state - what startContainer hooks get on standard input.
 * @throws RunletError of the operation that failed; `ERR_RUNLET_STATE` when nobody waits to be started.
 */
export async function startProcess(directoryFd: number, record: StateRecord, state: HookState): Promise<void> {
  const connectionFd = connect(directoryFd, record.id);
  try {
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
      if (report.kind === "failed") throw explainFailure(record, report);
      if (report.kind === "listener") passListener({ spec: record.config, state, fds: report.fds });
    }
  } finally {
    closeSync(connectionFd);
  }
}

function connect(directoryFd: number, id: string): number {
  try {
    return connectUnix(directoryFd, startSocketName, SOCK_SEQPACKET);
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    throw new RunletError(
      "ERR_RUNLET_STATE",
      `container ${id} does not wait to be started: ${errnoMessage(cause.code)}`,
      {
        syscall: cause.syscall,
        errno: cause.code,
        hint: "it may be about to start or to end: `runlet state` says more",
        cause,
      },
    );
  }
}

function explainFailure(record: StateRecord, report: Report): RunletError {
  const { firstIndex, operations } = record.startOperations;
  const recorded: RecordedOperation = operations[report.index - firstIndex] ?? { op: "exec", from: "", subject: "" };
  const [rootFd, ...otherFds] = report.fds;
  for (const fd of otherFds) closeSync(fd);
  if (report.call !== "execve" || rootFd === undefined) {
    if (rootFd !== undefined) closeSync(rootFd);
    return failureOf(recorded, report);
  }
  return explainExec(record.config.process, report, rootFd);
}
