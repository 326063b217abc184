import { spawnSync } from "node:child_process";
import { closeSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { openPidfd } from "./process.ts";

describe("openPidfd", () => {
  it("opens a process", () => {
    const fd = openPidfd(process.pid);
    expect(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")).toMatch(new RegExp(`^Pid:\\t${process.pid}$`, "m"));
    closeSync(fd);
  });

  it("says that there is none where a thread has the id", () => {
    const thread = readdirSync("/proc/self/task")
      .map(Number)
      .find((id) => id !== process.pid);
    expect(thread).toBeGreaterThan(0);
    expect(() => openPidfd(thread ?? 0)).toThrow(expect.objectContaining({ code: "ESRCH" }));
  });

  it("says that there is none where only the session that it led still has the id", () => {
    const script = "sleep 1000 > /dev/null 2>&1 & echo $$ $!";
    const { stdout } = spawnSync("setsid", ["sh", "-c", script], { encoding: "utf8" });
    const [leader = 0, other = 0] = stdout.split(" ").map(Number);
    try {
      expect(readFileSync(`/proc/${other}/stat`, "utf8")).toContain(` ${leader} ${leader} `);
      expect(() => openPidfd(leader)).toThrow(expect.objectContaining({ code: "ESRCH" }));
    } finally {
      process.kill(other, "SIGKILL");
    }
  });

  it("says that an id is none", () => {
    expect(() => openPidfd(-1)).toThrow(expect.objectContaining({ code: "EINVAL" }));
  });
});
