import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { OptionValues } from "./command.ts";
import { Log } from "./log.ts";
import type { createOptions } from "./options/create.ts";
import { parseCommandLine, parseProgramLine } from "./parser.ts";
import { createRequest, openRuntime } from "./runtime.ts";

function request(args: string[], global: string[] = []) {
  const { options } = parseCommandLine("create", [...args, "web"]);
  return createRequest(options as unknown as OptionValues<typeof createOptions>, parseProgramLine(global).globals);
}

describe("createRequest", () => {
  it("asks for the defaults, with our standard streams", () => {
    expect(request([])).toEqual({
      bundle: ".",
      stdio: "inherit",
      noPivot: false,
      noNewKeyring: false,
      preserveFds: 0,
      helperTimeoutMs: 60_000,
    });
  });

  it("passes every option on", () => {
    expect(
      request(
        [
          ...["-b", "dir", "-f", "other.json", "--console-socket", "/c", "--pidfd-socket", "/p", "--pid-file", "/f"],
          ...["--no-pivot", "--no-new-keyring", "--preserve-fds", "2"],
        ],
        ["--helper-timeout", "1m30s"],
      ),
    ).toEqual({
      bundle: "dir",
      configPath: "other.json",
      consoleSocket: "/c",
      pidfdSocket: "/p",
      pidFile: "/f",
      stdio: "inherit",
      noPivot: true,
      noNewKeyring: true,
      preserveFds: 2,
      helperTimeoutMs: 90_000,
    });
  });

  it("takes a time limit of 0 for none", () => {
    expect(request([], ["--helper-timeout", "0"]).helperTimeoutMs).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("openRuntime", () => {
  let directory: string;
  let warnings: string[];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "runlet-runtime-"));
    warnings = [];
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  function open(...args: string[]) {
    const log = new Log({
      format: "json",
      level: "warning",
      appendToFile: undefined,
      printError: (text) => warnings.push((JSON.parse(text) as { msg: string }).msg),
      isTerminal: () => false,
      hasColours: false,
    });
    return openRuntime({ globals: parseProgramLine(args).globals, log });
  }

  it("takes the state root that was named", async () => {
    expect((await open("--root", directory)).root).toBe(directory);
  });

  it.each([
    ["--rootless=true", true],
    ["--rootless=false", false],
  ])("takes %s", async (text, isRootless) => {
    expect((await open(text, "--root", directory)).isRootless).toBe(isRootless);
  });

  it("logs what the runtime warns of", async () => {
    mkdirSync(join(directory, "damaged"));
    writeFileSync(join(directory, "damaged", "state.json"), "{");
    const runtime = await open("--root", directory);
    expect(await runtime.list()).toEqual([]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("damaged");
  });
});
