import { describe, expect, it } from "vitest";
import { listProcesses, selectProcesses } from "./process-table.ts";

const table = `UID          PID    PPID  C STIME TTY          TIME CMD
root           1       0  0 09:01 ?        00:00:00 /sbin/init
root          12       1  0 09:01 ?        00:00:00 sleep 112
root         112      12  0 09:01 ?        00:00:00 sleep 12
`;

describe("selectProcesses", () => {
  it("keeps the header and the lines of the processes", () => {
    expect(selectProcesses(table, new Set([12])).split("\n")).toEqual([
      "UID          PID    PPID  C STIME TTY          TIME CMD",
      "root          12       1  0 09:01 ?        00:00:00 sleep 112",
    ]);
  });

  it("keeps the header alone when there are no processes", () => {
    expect(selectProcesses(table, new Set())).toBe("UID          PID    PPID  C STIME TTY          TIME CMD");
  });

  it("finds the column wherever it is", () => {
    expect(selectProcesses("CMD   PID\ninit    1\nsleep  12\n", new Set([12]))).toBe("CMD   PID\nsleep  12");
    expect(selectProcesses("  PID CMD\n   12 sleep\n", new Set([12]))).toBe("  PID CMD\n   12 sleep");
  });

  it("refuses a table without ids", () => {
    expect(() => selectProcesses("CMD\ninit\n", new Set([1]))).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_USAGE", message: "couldn't find PID field in ps output" }),
    );
  });
});

describe("listProcesses", () => {
  it("finds ps without a PATH", () => {
    const { PATH } = process.env;
    delete process.env.PATH;
    try {
      expect(selectProcesses(listProcesses([]), new Set([process.pid])).split("\n")).toHaveLength(2);
    } finally {
      process.env.PATH = PATH;
    }
  });

  it("says what ps says of options that it does not take", () => {
    expect(() => listProcesses(["--no-such-option"])).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_USAGE", message: expect.stringContaining("exit status 1: error:") }),
    );
  });
});
