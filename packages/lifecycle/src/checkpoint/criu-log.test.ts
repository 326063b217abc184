import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { lastErrors } from "./criu-log.ts";

function logOf(text: string): string {
  const directory = mkdtempSync(join(tmpdir(), "runlet-criu-log-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, "dump.log"), text);
  return join(directory, "dump.log");
}

test("errors are taken out of the log, without time, process and place", () => {
  const log = logOf(`(00.000001) Version: 3.17.1 (gitid 0)
(00.011109) Error (criu/vdso.c:381): vdso: Unexpected rt vDSO area bounds
(00.022000) Warn  (criu/mount.c:1259): mnt: Can't create a temporary directory: Read-only file system
(03.143894)      1: Error (criu/mount.c:2929): mnt: Can't create a temporary directory: Read-only file system
`);
  expect(lastErrors(log)).toEqual([
    "vdso: Unexpected rt vDSO area bounds",
    "mnt: Can't create a temporary directory: Read-only file system",
  ]);
});

test("the last ones of a long log are found", () => {
  const noise = "(00.000001) nothing to see here\n".repeat(10_000);
  const errors = Array.from({ length: 9 }, (_, index) => `(01.0) Error (a.c:1): ${index}`).join("\n");
  expect(lastErrors(logOf(`(00.0) Error (a.c:1): early\n${noise}${errors}\n`))).toEqual(["4", "5", "6", "7", "8"]);
});

test("a log that is not there, or is none, has none", () => {
  const log = logOf("(00.0) Error (a.c:1): found\n");
  expect(lastErrors(`${log}.absent`)).toEqual([]);
  symlinkSync(log, `${log}.link`);
  expect(lastErrors(`${log}.link`)).toEqual([]);
  expect(lastErrors("/dev/zero")).toEqual([]);
});
