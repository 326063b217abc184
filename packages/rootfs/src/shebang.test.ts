import { expect, test } from "vitest";
import { parseShebang } from "./shebang.ts";

const parse = (text: string) => parseShebang(Buffer.from(text));

test("interpreter and argument as the kernel splits them", () => {
  expect(parse("#!/bin/sh\necho")).toEqual({ interpreter: "/bin/sh", argument: undefined });
  expect(parse("#! \t/bin/sh \t-e -u \necho")).toEqual({ interpreter: "/bin/sh", argument: "-e -u" });
  expect(parse("#!/bin/sh")).toEqual({ interpreter: "/bin/sh", argument: undefined });
});

test("a carriage return is part of the name", () => {
  expect(parse("#!/bin/sh\r\necho")).toEqual({ interpreter: "/bin/sh\r", argument: undefined });
});

test("what is no script, and what names nothing", () => {
  expect(parse("\x7fELF")).toBeUndefined();
  expect(parse("#!\n")).toBe("malformed");
  expect(parse("#!   \n/bin/sh")).toBe("malformed");
});

test("a line longer than the kernel's buffer may cut the argument, not the interpreter", () => {
  expect(parse(`#!/${"a".repeat(300)}\n`)).toBe("malformed");
  expect(parse(`#!/bin/sh ${"a".repeat(300)}\n`)).toMatchObject({ interpreter: "/bin/sh" });
});
