import { RunletError } from "@runlet/errors";
import type { Context } from "./context.ts";
import { isKernelAtLeast } from "./host-facts.ts";
import type { SetLabel } from "./operation.ts";

/**
 * The labels of the process for its execve(2).
 *
 * @throws RunletError `ERR_RUNLET_HOST` when the kernel has no such security module: a label that does not hold is an error.
 */
export function labelOperations(context: Context): SetLabel[] {
  const { selinuxLabel, apparmorProfile } = context.process;
  const operations: SetLabel[] = [];
  if (isGiven(selinuxLabel)) {
    operations.push({ op: "setLabel", attribute: "exec", value: selinuxLabel, from: "/process/selinuxLabel" });
  }
  if (isGiven(apparmorProfile)) {
    operations.push({
      op: "setLabel",
      // Linux 5.8 gave AppArmor a directory of its own, so that it can be stacked.
      attribute: isKernelAtLeast(context.host, 5, 8) ? "apparmor/exec" : "exec",
      value: `exec ${apparmorProfile}`,
      from: "/process/apparmorProfile",
    });
  }
  return operations;
}

/** The label of keys that are made from then on: of the session keyring. */
export function keyLabelOperations(context: Context): SetLabel[] {
  const { selinuxLabel } = context.process;
  return isGiven(selinuxLabel)
    ? [{ op: "setLabel", attribute: "keycreate", value: selinuxLabel, from: "/process/selinuxLabel" }]
    : [];
}

/** @throws RunletError `ERR_RUNLET_HOST` for a label of a security module that the kernel does not have. */
export function checkSecurityModules(context: Context): void {
  const labels = [
    ["selinux", "/process/selinuxLabel", context.process.selinuxLabel],
    ["selinux", "/linux/mountLabel", context.linux.mountLabel],
    ["apparmor", "/process/apparmorProfile", context.process.apparmorProfile],
  ] as const;
  for (const [securityModule, pointer, label] of labels) {
    if (!isGiven(label) || context.host.securityModules.includes(securityModule)) continue;
    throw new RunletError("ERR_RUNLET_HOST", `the kernel has no security module ${securityModule}`, {
      pointer,
      hint: `remove the label, or start the kernel with lsm=…,${securityModule}`,
    });
  }
}

function isGiven(label: string | undefined): label is string {
  return label !== undefined && label !== "";
}
