import { RunletError } from "@runlet/errors";
import type { LinuxMemory } from "@runlet/spec";
import { given, resourcesPointer } from "./resource-value.ts";

/**
 * Refuses limits at or below the current use, where `checkBeforeUpdate` asks for it: the kernel would first reclaim, then
 * kill.
 *
 * @param readUsage - the text of the file that holds the current use, undefined when there is none.
 * @throws RunletError `ERR_RUNLET_CGROUP` with runc's words.
 */
export function checkMemoryUsage(memory: LinuxMemory, readUsage: () => string | undefined): void {
  if (memory.checkBeforeUpdate !== true) return;
  const limit = given(memory.limit);
  const swap = given(memory.swap);
  const text = readUsage();
  if (text === undefined || ((limit ?? -1n) < 0n && (swap ?? -1n) < 0n)) return;
  const usage = BigInt(text);
  for (const [field, value, words] of [
    ["swap", swap, "memory+swap limit"],
    ["limit", limit, "memory limit"],
  ] as const) {
    if (value === undefined || value < 0n || value > usage) continue;
    throw new RunletError("ERR_RUNLET_CGROUP", `rejecting ${words} ${value} <= usage ${usage}`, {
      pointer: `${resourcesPointer}/memory/${field}`,
      hint: "take a higher limit, or leave out checkBeforeUpdate",
      details: { limitBytes: value, usageBytes: usage },
    });
  }
}
