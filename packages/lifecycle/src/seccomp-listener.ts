import { closeSync } from "node:fs";
import { RunletError, SyscallError } from "@runlet/errors";
import type { Spec } from "@runlet/spec";
import { connectUnix, SOCK_STREAM, sendMessage } from "@runlet/syscall";
import type { HookState } from "./hook-runner.ts";

/** What {@link passListener} passes on. */
export interface ListenerParts {
  readonly spec: Spec;
  readonly state: HookState;
  /** The descriptors that came with the helper's report; closed by the call. */
  readonly fds: readonly number[];
  /** The process that has the filter. Default: the container's own. */
  readonly pid?: number;
}

/**
 * Hands the descriptor of a seccomp filter's notifications to the program that listens on `listenerPath`, with the
 * container process state (config-linux.md#containerprocessstate).
 *
 * @throws RunletError `ERR_RUNLET_SECCOMP`.
 */
export function passListener({ spec, state, fds, pid = state.pid }: ListenerParts): void {
  const { listenerPath = "", listenerMetadata } = spec.linux?.seccomp ?? {};
  const message = {
    ociVersion: state.ociVersion,
    fds: ["seccompFd"],
    pid,
    ...(listenerMetadata === undefined ? {} : { metadata: listenerMetadata }),
    state,
  };
  let connectionFd: number | undefined;
  try {
    connectionFd = connectUnix(-1, listenerPath, SOCK_STREAM);
    sendMessage(connectionFd, new TextEncoder().encode(JSON.stringify(message)), fds);
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    throw new RunletError("ERR_RUNLET_SECCOMP", `nobody takes the notifications at ${listenerPath}`, {
      pointer: "/linux/seccomp/listenerPath",
      syscall: cause.syscall,
      errno: cause.code,
      hint: "start the program that listens on this Unix socket first",
      cause,
    });
  } finally {
    if (connectionFd !== undefined) closeSync(connectionFd);
    for (const fd of fds) closeSync(fd);
  }
}
