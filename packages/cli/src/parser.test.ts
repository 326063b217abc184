import { describe, expect, it } from "vitest";
import { parseCommandLine, parseProgramLine } from "./parser.ts";
import { UnknownCommandError, UsageError } from "./usage-error.ts";

function failure(action: () => unknown): UsageError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return error as UsageError;
  }
  throw new Error("nothing was thrown");
}

describe("parseProgramLine", () => {
  it("takes options with one dash or two, with = or a blank", () => {
    const { globals, rest } = parseProgramLine([
      "--root=/a",
      "-log",
      "f",
      "--log-format",
      "json",
      "list",
      "--root",
      "x",
    ]);
    expect(globals).toMatchObject({ root: "/a", log: "f", "log-format": "json" });
    expect(rest).toEqual(["list", "--root", "x"]);
  });

  it("has defaults", () => {
    expect(parseProgramLine([]).globals).toEqual({
      debug: false,
      log: undefined,
      "log-format": "text",
      "log-level": "info",
      root: undefined,
      "systemd-cgroup": false,
      "cgroup-manager": undefined,
      "allow-annotation": [],
      "helper-timeout": 60_000,
      rootless: "auto",
    });
  });

  it("lets the last of a repeated option hold", () => {
    expect(parseProgramLine(["--log", "a", "--log=b", "state"]).globals.log).toBe("b");
  });

  it("takes as a value whatever follows, even an option", () => {
    expect(parseProgramLine(["--log", "--debug", "list"]).globals).toMatchObject({ log: "--debug", debug: false });
  });

  it.each([
    ["1", true],
    ["t", true],
    ["TRUE", true],
    ["0", false],
    ["False", false],
    ["auto", "auto"],
  ])("reads --rootless=%s as %s", (text, value) => {
    expect(parseProgramLine([`--rootless=${text}`]).globals.rootless).toBe(value);
  });

  it("reads a boolean with a value, and takes none from the next argument", () => {
    expect(parseProgramLine(["--debug=false", "list"]).globals.debug).toBe(false);
    expect(parseProgramLine(["--debug", "false"])).toMatchObject({ globals: { debug: true }, rest: ["false"] });
  });

  it("knows --help, -h, --version and -v", () => {
    expect(parseProgramLine(["-h"]).wantsHelp).toBe(true);
    expect(parseProgramLine(["--help"]).wantsHelp).toBe(true);
    expect(parseProgramLine(["-v"]).wantsVersion).toBe(true);
    expect(parseProgramLine(["-version"]).wantsVersion).toBe(true);
  });

  it("ends the options at --", () => {
    expect(parseProgramLine(["--", "--debug"]).rest).toEqual(["--debug"]);
  });

  it.each([
    [["--frob", "list"], "flag provided but not defined: -frob"],
    [["--log"], "flag needs an argument: -log"],
    [["-debug=x", "list"], 'invalid boolean value "x" for flag -debug: must be true or false'],
    [["--log-format", "xml"], 'invalid value "xml" for flag -log-format: must be text or json'],
    [["--rootless=no"], 'invalid value "no" for flag -rootless: must be true, false or auto'],
    [["-qf"], "flag provided but not defined: -qf"],
  ])("refuses %j", (args, message) => {
    const error = failure(() => parseProgramLine(args));
    expect(error.message).toBe(message);
    expect(error.exitStatus).toBe(1);
    expect(error.command).toBeUndefined();
  });

  it("suggests the option that was meant", () => {
    expect(failure(() => parseProgramLine(["--log-fromat=json"])).hint).toBe("did you mean --log-format?");
    expect(failure(() => parseProgramLine(["--zzz"])).hint).toBeUndefined();
  });
});

describe("parseCommandLine", () => {
  it("takes options before and after the id", () => {
    const { options, positionals } = parseCommandLine("run", ["-b", "dir", "web", "--detach", "--pid-file=p"]);
    expect(options).toMatchObject({ bundle: "dir", detach: true, "pid-file": "p", keep: false });
    expect(positionals).toEqual({ id: "web", args: [] });
  });

  it("ends the options at the id where an option says so", () => {
    const { options, positionals } = parseCommandLine("run", ["--image", "alpine", "web", "ls", "-l"]);
    expect(options).toMatchObject({ image: "alpine", detach: false });
    expect(positionals).toEqual({ id: "web", args: ["ls", "-l"] });
  });

  it("reads an option and an id that begin with a dash after --", () => {
    expect(parseCommandLine("state", ["--", "-odd"]).positionals).toEqual({ id: "-odd" });
  });

  it("takes a single dash as an argument", () => {
    expect(parseCommandLine("validate", ["-"]).positionals).toEqual({ source: "-" });
  });

  it("appends the values of a list", () => {
    expect(parseCommandLine("exec", ["-e", "A=1", "--env=B=2,3", "id"]).options).toMatchObject({
      env: ["A=1", "B=2,3"],
    });
  });

  it("hands on what follows the id of exec as it stands", () => {
    const { options, positionals } = parseCommandLine("exec", ["-t", "web", "-t", "ls", "--", "-l", "--cwd"]);
    expect(options).toMatchObject({ tty: true, cwd: undefined });
    expect(positionals).toEqual({ id: "web", args: ["-t", "ls", "--", "-l", "--cwd"] });
  });

  it("hands the options of ps on", () => {
    expect(parseCommandLine("ps", ["-f", "json", "web", "-o", "pid"])).toMatchObject({
      options: { format: "json" },
      positionals: { id: "web", psArgs: ["-o", "pid"] },
    });
  });

  it.each([
    ["10", 10],
    ["0x10", 16],
    ["010", 8],
    ["0o17", 15],
    ["0b101", 5],
    ["+3", 3],
    ["0", 0],
  ])("reads the integer %s as %d", (text, value) => {
    expect(parseCommandLine("run", ["--preserve-fds", text, "id"]).options["preserve-fds"]).toBe(value);
  });

  it("reads a negative integer from the next argument", () => {
    expect(parseCommandLine("update", ["--pids-limit", "-1", "id"]).options["pids-limit"]).toBe(-1);
  });

  it.each([
    ["5s", 5000],
    ["1m30s", 90_000],
    ["1.5h", 5_400_000],
    ["250ms", 250],
    ["0", 0],
  ])("reads the duration %s as %d ms", (text, value) => {
    expect(parseCommandLine("events", ["--interval", text, "id"]).options.interval).toBe(value);
  });

  it("has the default of a duration in milliseconds", () => {
    expect(parseCommandLine("events", ["id"]).options.interval).toBe(5000);
  });

  it.each([
    ["run", [], '"run" requires a minimum of 1 argument(s), 0 given'],
    ["kill", [], '"kill" requires a minimum of 1 argument(s), 0 given'],
    ["kill", ["a", "b", "c"], '"kill" requires a maximum of 2 argument(s), 3 given'],
    ["list", ["x"], '"list" requires exactly 0 argument(s), 1 given'],
    ["run", ["--preserve-fds=a", "x"], 'invalid value "a" for flag -preserve-fds: must be an integer'],
    ["run", ["--preserve-fds=-1", "x"], 'invalid value "-1" for flag -preserve-fds: must be at least 0'],
    [
      "run",
      ["--preserve-fds=99999999999999999999", "x"],
      'invalid value "99999999999999999999" for flag -preserve-fds: is out of range',
    ],
    ["events", ["--interval=5", "x"], 'invalid value "5" for flag -interval: must be a duration such as 5s or 1m30s'],
    ["list", ["-f", "xml"], 'invalid value "xml" for flag -f: must be table or json'],
    ["start", ["id", "--frob"], "flag provided but not defined: -frob"],
    ["completion", ["tcsh"], 'invalid SHELL "tcsh": must be bash, zsh or fish'],
  ])("refuses %s %j", (name, args, message) => {
    const error = failure(() => parseCommandLine(name, args));
    expect(error.message).toBe(message);
    expect(error.command?.name).toBe(name);
    expect(error.code).toBe("ERR_RUNLET_USAGE");
  });

  it("asks for nothing more when help is wanted", () => {
    expect(parseCommandLine("run", ["--help"])).toMatchObject({ wantsHelp: true, positionals: {} });
  });

  it("knows no option by a name that every object has", () => {
    expect(failure(() => parseCommandLine("state", ["--constructor", "x"])).message).toBe(
      "flag provided but not defined: -constructor",
    );
  });

  it("says what an unknown command may have been", () => {
    expect(() => parseCommandLine("strat", [])).toThrow(UnknownCommandError);
    expect(() => parseCommandLine("strat", [])).toThrow(
      expect.objectContaining({ message: "No help topic for 'strat'", hint: "did you mean start?", exitStatus: 3 }),
    );
  });
});
