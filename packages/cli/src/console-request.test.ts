import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ConsoleRequest, checkConsole, checkConsoleUse } from "./console-request.ts";

let bundle: string;

beforeEach(() => {
  bundle = mkdtempSync(join(tmpdir(), "runlet-console-"));
});
afterEach(() => rmSync(bundle, { recursive: true }));

function check(terminal: boolean, request: Partial<ConsoleRequest>): boolean {
  writeFileSync(join(bundle, "config.json"), JSON.stringify({ process: { terminal } }));
  return checkConsole({ bundle, config: undefined, consoleSocket: undefined, isDetached: false, ...request });
}

describe("checkConsole", () => {
  it("says whether there is a terminal to hold", () => {
    expect(check(true, {})).toBe(true);
    expect(check(false, {})).toBe(false);
    expect(check(false, { isDetached: true })).toBe(false);
    expect(check(true, { isDetached: true, consoleSocket: "/s" })).toBe(true);
  });

  it("refuses a terminal that nobody would hold", () => {
    for (const consoleSocket of [undefined, ""]) {
      expect(() => check(true, { isDetached: true, consoleSocket })).toThrow(
        expect.objectContaining({
          code: "ERR_RUNLET_TERMINAL",
          message: "cannot allocate tty if runlet will detach without setting console socket",
        }),
      );
    }
  });

  it.each([
    [false, true],
    [true, false],
    [false, false],
  ])("refuses a socket with nothing to receive (terminal %s, detached %s)", (terminal, isDetached) => {
    expect(() => check(terminal, { isDetached, consoleSocket: "/s" })).toThrow(
      expect.objectContaining({
        code: "ERR_RUNLET_TERMINAL",
        message: "cannot use console socket if runlet will not detach or allocate tty",
      }),
    );
  });

  it("reads the config that was named instead of the bundle's", () => {
    writeFileSync(join(bundle, "other.json"), '{"process":{"terminal":true}}');
    expect(check(false, { config: join(bundle, "other.json") })).toBe(true);
  });

  it.each(["{", "null", "[]", '{"process":null}', '{"process":{"terminal":"yes"}}'])(
    "leaves a config that is wrong to the runtime: %s",
    (text) => {
      writeFileSync(join(bundle, "config.json"), text);
      expect(checkConsole({ bundle, config: undefined, consoleSocket: undefined, isDetached: true })).toBe(false);
    },
  );
});

describe("checkConsoleUse", () => {
  it.each(["--terminal", "--tty"] as const)("names the option %s, which is in no config", (option) => {
    const lonely = { hasTerminal: true, consoleSocket: undefined, isDetached: true, option };
    expect(() => checkConsoleUse(lonely)).toThrow(
      expect.objectContaining({ pointer: undefined, hint: expect.stringContaining(`leave ${option} out`) }),
    );
    const unused = { hasTerminal: false, consoleSocket: "/s", isDetached: true, option };
    expect(() => checkConsoleUse(unused)).toThrow(
      expect.objectContaining({ hint: `add ${option}, or leave out --console-socket` }),
    );
  });
});
