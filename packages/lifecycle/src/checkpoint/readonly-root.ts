import { closeSync, openSync } from "node:fs";
import { RunletError } from "@runlet/errors";
import type { Operation, Plan } from "@runlet/plan";
import { SOCK_SEQPACKET, socketpair } from "@runlet/syscall";
import { viewContainer } from "../container-view.ts";
import { failureInPlan } from "../failure.ts";
import { HelperDriver } from "../helper-driver.ts";

/**
 * Makes the root of a restored container read-only. CRIU restores the attributes of every mount but this one, and writes to
 * it while it restores; so it is done in between, before a process of the container goes on.
 *
 * The helper does it in the container's mount namespace and is ended when it says that it has: it would wait for a start.
 *
 * @throws RunletError `ERR_RUNLET_ROOTFS`.
 */
export async function makeRootReadonly(pid: number, rootHostPath: string, readonlyRoot: Operation): Promise<void> {
  const view = viewContainer(pid, rootHostPath);
  if (view === null) throw new RunletError("ERR_RUNLET_CHECKPOINT", "the restored process has ended");
  const { from } = readonlyRoot;
  const plan: Plan = {
    version: 1,
    descriptors: [
      { kind: "namespace", type: "mount", hostPath: `/proc/${pid}/ns/mnt`, from },
      { kind: "startSocket", from },
    ],
    phases: [
      { name: "beforeClone", operations: [{ op: "clone", namespaces: [], intoCgroup: false, from }] },
      {
        name: "inNamespaces",
        operations: [
          { op: "joinNamespace", type: "mount", slot: 0, from },
          { op: "joinRoot", slot: null, identities: view.rootIdentities, from },
          readonlyRoot,
        ],
      },
      { name: "atStart", operations: [{ op: "awaitStart", slot: 1, from }] },
    ],
  };
  const ends = socketpair(SOCK_SEQPACKET);
  const nullFd = openSync("/dev/null", "r+");
  try {
    await using driver = new HelperDriver({
      plan,
      carryOut: async ({ op }) => {
        throw new Error(`${op} is no operation of this plan`);
      },
      hookState: () => {
        throw new Error("no hook runs in this plan");
      },
      passListener: () => {},
      explainFailure: (report) => failureInPlan(plan, report),
    });
    driver.start({ fds: [nullFd, nullFd, nullFd] });
    await driver.handOver({ startSocketFd: ends[0], cgroup: null });
    if ((await driver.drive()) === "created") return;
    throw new RunletError("ERR_RUNLET_ROOTFS", "the root of the restored container stays writable", { pointer: from });
  } finally {
    for (const fd of [...ends, nullFd]) closeSync(fd);
  }
}
