import { spawn } from "node:child_process";
import { once } from "node:events";
import { readProcessStatus } from "@runlet/syscall";
import { describe, expect, it } from "vitest";
import { isAlive, isHelper } from "./process-status.ts";

describe("readProcessStatus", () => {
  it("tells this process, and that it is alive, and that it is no helper", () => {
    const status = readProcessStatus(process.pid);
    expect(status?.startTime).toBeGreaterThan(0);
    expect(isAlive(process.pid, status?.startTime ?? 0)).toBe(true);
    expect(isHelper(process.pid)).toBe(false);
  });

  it.each([0, -1, 1.5, Number.NaN, 2 ** 31, 2 ** 32 + process.pid, "1", null, undefined])(
    "knows no process %s",
    (pid) => {
      expect(readProcessStatus(pid as number)).toBeNull();
    },
  );

  it("is not misled by a pid that was used again", () => {
    const { startTime = 0 } = readProcessStatus(process.pid) ?? {};
    expect(isAlive(process.pid, startTime - 1)).toBe(false);
  });

  it("reads past a name with blanks and parentheses", async () => {
    const child = spawn(process.execPath, [
      "-e",
      "process.title = 'a) R 1 (b'; console.log('up'); setInterval(() => {}, 1e6)",
    ]);
    await once(child.stdout, "data");
    expect(readProcessStatus(child.pid ?? 0)?.state).toMatch(/^[RS]$/);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(readProcessStatus(child.pid ?? 0)).toBeNull();
  });
});
