import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { errnoMessage, quote, RunletError } from "@runlet/errors";
import { defaultSpec, rootlessSpec } from "@runlet/spec";
import type { Invocation } from "../command.ts";
import type { specOptions } from "../options/bundle.ts";

/** CGROUP2_SUPER_MAGIC of `<linux/magic.h>`. */
const cgroup2Magic = 0x63677270;

/** Writes the default config.json; never over a file that exists. */
export function run(invocation: Invocation<typeof specOptions>): number {
  const { options, print } = invocation;
  const shared = { cgroupNamespace: isUnifiedCgroup() };
  const spec = options.rootless
    ? rootlessSpec({ ...shared, uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 })
    : defaultSpec(shared);
  const text = JSON.stringify(spec, undefined, "\t");
  if (options.file === "-") print(text);
  else create(isAbsolute(options.file) ? options.file : join(options.bundle, options.file), `${text}\n`);
  return 0;
}

/** Whether this host has cgroup v2 alone, where containers get a cgroup namespace by default. */
function isUnifiedCgroup(): boolean {
  try {
    return statfsSync("/sys/fs/cgroup").type === cgroup2Magic;
  } catch {
    return false;
  }
}

function create(hostPath: string, text: string): void {
  try {
    writeFileSync(hostPath, text, { flag: "wx", mode: 0o666 });
  } catch (error) {
    const { code = "EIO", syscall = "open" } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") {
      throw new RunletError("ERR_RUNLET_EXISTS", `the file ${quote(hostPath)} exists`, {
        hint: "remove it first, or give --bundle another directory",
        cause: error,
      });
    }
    // Half a config would be in the way of the next attempt.
    if (syscall === "write") rmSync(hostPath, { force: true });
    throw new RunletError("ERR_RUNLET_BUNDLE", `cannot write ${quote(hostPath)}: ${errnoMessage(code)}`, {
      syscall,
      errno: code,
      cause: error,
    });
  }
}
