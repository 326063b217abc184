import { constants } from "node:os";
import { expect, test } from "vitest";
import { errno, errnoMessage, errnoName, isRunletError, quote, RunletError, SyscallError } from "./index.ts";

test("an error of another copy of this package is recognised; one that only looks like it is not", () => {
  const ofOtherCopy = Object.assign(new Error("x"), { [Symbol.for("@runlet/errors.RunletError")]: true });
  expect(isRunletError(new RunletError("ERR_RUNLET_USAGE", "x"))).toBe(true);
  expect(isRunletError(ofOtherCopy)).toBe(true);
  for (const other of [
    Object.assign(new Error("x"), { code: "ERR_RUNLET_USAGE" }),
    new Error("x"),
    "x",
    null,
    undefined,
  ])
    expect(isRunletError(other)).toBe(false);
});

test("a system call's error has the shape of Node's own, whatever the sign of its number", () => {
  for (const number of [2, -2]) {
    const error = new SyscallError("openat2", number, "/a\u001b[2J");
    expect(error).toMatchObject({ code: "ENOENT", errno: -2, syscall: "openat2", path: "/a\u001b[2J" });
    expect(error.message).toBe('openat2: ENOENT (no such file or directory) "/a\\u001b[2J"');
  }
});

test("error numbers are those of the system", () => {
  for (const [name, number] of Object.entries(constants.errno))
    if (Object.hasOwn(errno, name)) expect([name, errno[name as keyof typeof errno]]).toEqual([name, number]);
  expect(errnoName(errno.ENOSPC)).toBe("ENOSPC");
  expect(errnoName(9999)).toBe("errno 9999");
  expect(errnoMessage("EACCES")).toBe("permission denied");
  expect(errnoMessage(errno.EACCES)).toBe("permission denied");
  expect(errnoMessage("EWHATEVER")).toBe("EWHATEVER");
});

test("quoted text cannot drive a terminal, turn the writing around or fill a screen", () => {
  const hostile = "a\u0007\u001b[2J\u009b2J\r\n\u202e\u2066\u2028\u200f\"'\\";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there.
  expect(quote(hostile)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/);
  expect(JSON.parse(quote(hostile))).toBe(hostile);
  expect(quote("x".repeat(200))).toHaveLength(202);
  expect(quote("x".repeat(201))).toBe(`"${"x".repeat(199)}…"`);
});
