import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, writeSync } from "node:fs";
import type { LinuxResources } from "@runlet/spec";
import { type Cgroup, cgroupManager, detectLayout } from "../src/index.ts";

/** The drivers that this host has; the same tests hold for each. */
export const drivers = existsSync("/run/systemd/system") ? (["cgroupfs", "systemd"] as const) : (["cgroupfs"] as const);

/** Whether the host's control groups are v2. */
export const isV2 = detectLayout().kind === "v2";

let count = 0;

/** A control group for one test, not yet made. */
export function newGroup(driver: (typeof drivers)[number]): Cgroup {
  count += 1;
  return cgroupManager({ driver }).cgroup({ id: `test-${process.pid}-${count}` });
}

/** A process that is in a control group from its first own instruction on. */
export interface Member {
  readonly child: ChildProcess;
  /** Standard output, complete once `exit` has been awaited. */
  readonly output: () => string;
  readonly exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/**
 * Makes the control group with its limits and starts a shell script in it, for any driver: the shell waits until it is in.
 */
export async function startMember(options: {
  cgroup: Cgroup;
  resources?: LinuxResources;
  script: string;
}): Promise<Member> {
  const { cgroup, resources } = options;
  if (!cgroup.needsProcess) {
    await cgroup.create();
    await cgroup.apply(resources);
  }
  const child = spawn("/bin/sh", ["-c", `read go; exec /bin/sh -c "$0"`, options.script], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    output += text;
  });
  const exit = once(child, "close").then(([code, signal]) => ({ code, signal }));
  const pid = child.pid ?? 0;
  if (cgroup.needsProcess) {
    await cgroup.create({ pid, ...(resources !== undefined && { resources }) });
    await cgroup.apply(resources);
  } else {
    const { procs, directoryFd } = cgroup.openProcs();
    for (const { fd } of procs) {
      writeSync(fd, String(pid));
      closeSync(fd);
    }
    if (directoryFd !== null) closeSync(directoryFd);
  }
  child.stdin.end("\n");
  return { child, output: () => output, exit };
}

/** Ends what is in a control group and removes it. */
export async function dispose(cgroup: Cgroup): Promise<void> {
  await cgroup.kill();
  await cgroup.delete();
}

/** Waits until `isTrue`, 5 s at most. */
export async function until(isTrue: () => boolean): Promise<void> {
  for (let left = 500; !isTrue(); left--) {
    if (left === 0) throw new Error(`not in time: ${isTrue}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
