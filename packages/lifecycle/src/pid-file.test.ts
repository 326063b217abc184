import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { writePidFile } from "./pid-file.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "runlet-pid-file-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
});

test("the number and nothing else, in the place of what was there", () => {
  const hostPath = join(directory, "pid");
  writeFileSync(hostPath, "an older and longer text");
  writePidFile(hostPath, 4711);
  expect(readFileSync(hostPath, "utf8")).toBe("4711");
  expect(readdirSync(directory)).toEqual(["pid"]);
});

test("what cannot be written is named, and nothing is left", () => {
  expect(() => writePidFile(join(directory, "absent/pid"), 1)).toThrow(
    expect.objectContaining({
      code: "ERR_RUNLET_USAGE",
      errno: "ENOENT",
      syscall: "open",
      message: `the pid file "${directory}/absent/pid" cannot be written: no such file or directory`,
    }),
  );
  mkdirSync(join(directory, "taken"));
  expect(() => writePidFile(join(directory, "taken"), 1)).toThrow(expect.objectContaining({ syscall: "rename" }));
  expect(readdirSync(directory)).toEqual(["taken"]);
});

test("a link that somebody has put there is not followed", () => {
  const victim = join(directory, "victim");
  writeFileSync(victim, "precious");
  symlinkSync(victim, join(directory, `pid.${process.pid}`));
  expect(() => writePidFile(join(directory, "pid"), 1)).toThrow(expect.objectContaining({ errno: "EEXIST" }));
  expect(readFileSync(victim, "utf8")).toBe("precious");
});
