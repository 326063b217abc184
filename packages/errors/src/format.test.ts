import { expect, test } from "vitest";
import { formatError, formatErrorLine, RunletError } from "./index.ts";

const mount = new RunletError("ERR_RUNLET_MOUNT", 'mount "nfs" at "/data" failed', {
  pointer: "/mounts/3",
  syscall: "fsopen",
  errno: "ENODEV",
  explanation: 'the kernel has no file system type "nfs"',
  hint: "load the nfs module",
});

test("all that an error knows, for a person and for a log", () => {
  expect(formatError(mount)).toBe(
    'config.json /mounts/3: mount "nfs" at "/data" failed\n' +
      '  fsopen(2): ENODEV — the kernel has no file system type "nfs"\n' +
      "  hint: load the nfs module",
  );
  expect(formatErrorLine(mount)).toBe(
    'config.json /mounts/3: mount "nfs" at "/data" failed: fsopen(2): ENODEV — the kernel has no file system type "nfs" (hint: load the nfs module)',
  );
});

test("only what it knows", () => {
  expect(formatErrorLine(new RunletError("ERR_RUNLET_STATE", "container not running"))).toBe("container not running");
  expect(formatError(new RunletError("ERR_RUNLET_PROCESS", "bad", { pointer: "", document: "process.json" }))).toBe(
    "process.json /: bad",
  );
  expect(formatError(new RunletError("ERR_RUNLET_HOOK", "bad", { explanation: "why" }))).toBe("bad\n  why");
  expect(formatError(new RunletError("ERR_RUNLET_HOST", "no room", { errno: "ENOSPC" }))).toBe(
    "no room\n  ENOSPC — no space left on device",
  );
});

test("the kernel's words are not said twice", () => {
  const options = { syscall: "chdir", errno: "ENOENT" };
  const error = new RunletError("ERR_RUNLET_BUNDLE", "chdir web: no such file or directory", options);
  expect(formatError(error)).toBe("chdir web: no such file or directory\n  chdir(2): ENOENT");
  expect(formatErrorLine(error)).toBe("chdir web: no such file or directory: chdir(2): ENOENT");
});

test("other errors, on one line where one is asked for", () => {
  expect(formatError(new Error("a\nb"))).toBe("a\nb");
  expect(formatErrorLine(new Error("a\nb"))).toBe("a b");
  expect(formatErrorLine("text")).toBe("text");
  expect(formatErrorLine(new RunletError("ERR_RUNLET_USAGE", "a\nb"))).toBe("a b");
});
