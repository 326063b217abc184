import { expect, it } from "vitest";
import type { Option } from "../command.ts";
import { imageRunOptions } from "../options/run.ts";
import { runProgram } from "../program.ts";

/** A value that the option takes, and that is not its default. */
function otherValue(option: Option): string {
  if (option.choices !== undefined) return option.choices.find((choice) => choice !== option.default) ?? "";
  return { boolean: "true", "auto-boolean": "true", integer: "7", duration: "7s", string: "x", strings: "x" }[
    option.type
  ];
}

async function complaintOf(...args: string[]): Promise<string> {
  const errors: string[] = [];
  // Where nothing can be made, should it come so far.
  const status = await runProgram(["--root", "/proc/nonexistent", "run", ...args], {
    programName: "runlet",
    print: () => {},
    printError: (text) => errors.push(text),
    isErrorTerminal: () => false,
    hasColours: false,
    openLog: () => () => {},
  });
  expect(status).toBe(1);
  return errors.join("\n");
}

const names = Object.entries<Option>(imageRunOptions).filter(([name]) => name !== "image");

it.each(names)("--%s is refused for a container that is not of an image", async (name, option) => {
  const complaint = await complaintOf(`--${name}=${otherValue(option)}`, "--bundle", "/nonexistent", "id");
  expect(complaint).toContain(`--${name} is for containers of an image: give --image too`);
});

it("refuses no option for its default", async () => {
  expect(await complaintOf("--bundle", "/nonexistent", "id")).not.toContain("is for containers of an image");
});

it("refuses arguments of a container that is not of an image", async () => {
  expect(await complaintOf("--bundle", "/nonexistent", "id", "ls")).toContain(
    '\\"run\\" requires exactly 1 argument(s), 2 given',
  );
});
