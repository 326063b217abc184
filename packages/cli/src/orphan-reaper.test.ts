import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { setChildSubreaper } from "@runlet/syscall";
import { afterEach, describe, expect, it } from "vitest";
import { adoptOrphans, reapOrphans } from "./orphan-reaper.ts";

afterEach(() => setChildSubreaper(false));

/** Leaves a process behind that ends soon, and whose parent has ended. */
function leaveOrphan(): number {
  const { stdout } = spawnSync("sh", ["-c", "sleep 0.05 >/dev/null 2>&1 & echo $!"], { encoding: "utf8" });
  return Number(stdout);
}

describe("reapOrphans", () => {
  it("collects orphans when they end", async () => {
    adoptOrphans();
    using _reaper = reapOrphans(0);
    const pid = leaveOrphan();
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    await expect.poll(() => existsSync(`/proc/${pid}`)).toBe(false);
  });

  it("leaves the process of the container to whoever waits for it", async () => {
    adoptOrphans();
    const containerPid = leaveOrphan();
    {
      using _reaper = reapOrphans(containerPid);
      const other = leaveOrphan();
      await expect.poll(() => existsSync(`/proc/${other}`)).toBe(false);
      expect(existsSync(`/proc/${containerPid}`)).toBe(true);
    }
    using _reaper = reapOrphans(0);
    expect(existsSync(`/proc/${containerPid}`)).toBe(false);
  });
});
