import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, readlinkSync, writeSync } from "node:fs";
import { expect, test } from "vitest";
import { createMemoryFile } from "./socket.ts";

const content = Buffer.from("#!/bin/true\n");

for (const kind of ["data", "program"] as const) {
  test(`a ${kind} in memory can be read, and not changed by anybody who opens it anew`, () => {
    const fd = createMemoryFile("runlet-test", content, kind);
    try {
      expect(readFileSync(fd)).toEqual(content);
      expect(readlinkSync(`/proc/self/fd/${fd}`)).toContain("runlet-test");
      // As a container's root would, who has got hold of /proc/PID/exe (CVE-2019-5736).
      const again = openSync(`/proc/self/fd/${fd}`, "r+");
      try {
        expect(() => writeSync(again, "x")).toThrow("EPERM");
        expect(() => ftruncateSync(again, 0)).toThrow("EPERM");
        expect(() => ftruncateSync(again, 1000)).toThrow("EPERM");
      } finally {
        closeSync(again);
      }
      expect(readFileSync(`/proc/self/fd/${fd}`)).toEqual(content);
    } finally {
      closeSync(fd);
    }
  });
}

test("only a program can be executed", () => {
  const modes = (["data", "program"] as const).map((kind) => {
    const fd = createMemoryFile("runlet-test", content, kind);
    const { mode } = fstatSync(fd);
    closeSync(fd);
    return mode & 0o111;
  });
  expect(modes[1]).not.toBe(0);
  // Linux before 6.3 knows no such difference.
  expect([0, modes[1]]).toContain(modes[0]);
});
