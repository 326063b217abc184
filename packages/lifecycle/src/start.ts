import { type RunletError, SyscallError } from "@runlet/errors";
import { hookOperations } from "@runlet/plan";
import { closeFd, connectUnix, receiveMessage, SOCK_SEQPACKET, sendMessage } from "@runlet/syscall";
import { explainExec } from "./exec-failure.ts";
import { failureOf, type RecordedOperation } from "./failure.ts";
import { createStateFile, type HookState } from "./hook-runner.ts";
import { decodeReport, goMessage, maxReportBytes, type Report } from "./message.ts";
import { defaultHelperTimeoutMs, waitForReport } from "./report-wait.ts";
import { passListener } from "./seccomp-listener.ts";
import { startSocketName } from "./state-directory.ts";
import type { StateRecord } from "./state-record.ts";

/**
 * Connects to a container that waits for its start.
 *
 * @param directoryFd - the container's directory; stays the caller's.
 * @returns the connection, the caller's; null when nobody listens.
 */
export function connectForStart(directoryFd: number): number | null {
  try {
    return connectUnix(directoryFd, startSocketName, SOCK_SEQPACKET);
  } catch (error) {
    if (error instanceof SyscallError && (error.code === "ENOENT" || error.code === "ECONNREFUSED")) return null;
    throw error;
  }
}

/** What {@link startProcess} starts. */
export interface ProcessStart {
  /** See {@link connectForStart}; closed in the end. */
  readonly connectionFd: number;
  readonly record: StateRecord;
  /** What startContainer hooks get on standard input. */
  readonly state: HookState;
  readonly signal: AbortSignal | undefined;
  /** How long the helper may say nothing, besides what hooks take; Infinity for no limit. Default 60 s. */
  readonly helperTimeoutMs: number | undefined;
}

/**
 * Lets a created container go on, and waits until its process has been executed.
 *
 * @throws RunletError of the operation that failed; `ERR_RUNLET_TIMEOUT`; the reason of the signal.
 */
export async function startProcess(start: ProcessStart): Promise<void> {
  const { connectionFd, record, state, signal, helperTimeoutMs = defaultHelperTimeoutMs } = start;
  const hasHooks = record.startOperations.operations.some(({ op }) => op === "hook");
  const hookMs = hasHooks ? hookMsOf(record) : 0;
  try {
    goOn(connectionFd, hasHooks ? createStateFile(state) : null);
    for (;;) {
      const message = receiveMessage(connectionFd, maxReportBytes);
      if (message === null) {
        await waitForReport({ fd: connectionFd, limitMs: helperTimeoutMs + hookMs, signal });
        continue;
      }
      const report = decodeReport(message);
      // The end of the connection: execve(2) closed it.
      if (report === null) return;
      if (report.kind === "failed") throw await explainFailure(record, report);
      if (report.kind === "listener") passListener({ spec: record.config, state, fds: report.fds });
    }
  } finally {
    closeFd(connectionFd);
  }
}

/** @param stateFd - closed here. */
function goOn(connectionFd: number, stateFd: number | null): void {
  try {
    sendMessage(connectionFd, goMessage, stateFd === null ? [] : [stateFd]);
  } catch (error) {
    // A helper that has ended meanwhile is told of by the end of the connection.
    if (!(error instanceof SyscallError)) throw error;
  } finally {
    if (stateFd !== null) closeFd(stateFd);
  }
}

/** How long startContainer hooks may take, one after the other without a word. */
function hookMsOf({ config }: StateRecord): number {
  return hookOperations(config, "startContainer").reduce(
    (totalMs, { timeoutMs }) => totalMs + (timeoutMs ?? Number.POSITIVE_INFINITY),
    0,
  );
}

async function explainFailure(record: StateRecord, report: Report): Promise<RunletError> {
  const { firstIndex, operations } = record.startOperations;
  const recorded: RecordedOperation = operations[report.index - firstIndex] ?? { op: "exec", from: "", subject: "" };
  const [rootFd, ...otherFds] = report.fds;
  for (const fd of otherFds) closeFd(fd);
  if (report.call !== "execve" || rootFd === undefined) {
    if (rootFd !== undefined) closeFd(rootFd);
    return failureOf(recorded, report);
  }
  return await explainExec(record.config.process, report, rootFd);
}
