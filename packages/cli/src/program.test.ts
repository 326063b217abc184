import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tryLock } from "@runlet/syscall";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runProgram } from "./program.ts";

let directory: string;
let written: { output: string[]; error: string[]; logs: Map<string, string> };

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "runlet-program-"));
  written = { output: [], error: [], logs: new Map() };
});
afterEach(() => rmSync(directory, { recursive: true }));

function run(...args: string[]): Promise<number> {
  return runPrinting((text) => written.output.push(text), args);
}

function runPrinting(print: (text: string) => void, args: readonly string[]): Promise<number> {
  return runProgram(args, {
    programName: "runlet",
    print,
    printError: (text) => written.error.push(text),
    isErrorTerminal: () => false,
    hasColours: true,
    openLog: (hostPath) => {
      written.logs.set(hostPath, "");
      return (text) => written.logs.set(hostPath, written.logs.get(hostPath) + text);
    },
  });
}

/** How often this process has a file open. */
function descriptorsOf(hostPath: string): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === hostPath;
    } catch {
      return false; // the one of this very reading
    }
  }).length;
}

const time = /"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"/;

describe("runProgram", () => {
  it("prints the help without a command, with --help, and with help", async () => {
    expect(await run()).toBe(0);
    expect(await run("--help")).toBe(0);
    expect(await run("help")).toBe(0);
    expect(new Set(written.output).size).toBe(1);
    expect(written.output[0]).toMatch(/^NAME:\n {3}runlet - /);
  });

  it("prints the help of a command", async () => {
    expect(await run("run", "--help")).toBe(0);
    expect(await run("help", "run")).toBe(0);
    expect(written.output[0]).toMatch(/^NAME:\n {3}runlet run - /);
    expect(written.output[1]).toBe(written.output[0]);
  });

  it("prints the version as Docker reads it", async () => {
    expect(await run("--version")).toBe(0);
    expect(written.output.join("\n")).toMatch(/^runlet version \d+\.\d+\.\d+\nspec: 1\.3\.0\nnode: \d+\.\d+\.\d+$/);
  });

  it("answers a wrong call with the help and 1", async () => {
    expect(await run("run", "--frob", "x")).toBe(1);
    expect(written.output[0]).toMatch(/^NAME:\n {3}runlet run - /);
    expect(written.error[0]).toMatch(/^time=".*" level=error msg="flag provided but not defined: -frob"$/);
  });

  it("says what is wrong with a call whose help cannot be written", async () => {
    const fail = () => {
      throw new Error("the disk is full");
    };
    expect(await runPrinting(fail, ["run", "--frob", "x"])).toBe(1);
    expect(written.error).toEqual([expect.stringContaining("flag provided but not defined: -frob")]);
  });

  it("answers an unknown command with 3, and no help", async () => {
    expect(await run("frob")).toBe(3);
    expect(await run("help", "frob")).toBe(3);
    expect(written.output).toEqual([]);
    expect(written.error[0]).toContain("No help topic for 'frob'");
  });

  it("answers a wrong call of exec with 1, and its failure with 255", async () => {
    expect(await run("exec")).toBe(1);
    expect(written.error.pop()).not.toContain("exec failed: ");
    expect(await run("exec", "web", "ls")).toBe(255);
    expect(written.error.pop()).toContain("exec failed: ");
  });

  it("writes an error to the log file as JSON, and to standard error in plain words", async () => {
    const log = join(directory, "log");
    expect(await run("--log", log, "--log-format=json", "--root", directory, "state", "web")).toBe(1);
    const text = written.logs.get(log) ?? "";
    expect(text).toMatch(time);
    expect(JSON.parse(text)).toMatchObject({ level: "error", msg: written.error[0] });
    expect(written.error).toEqual([expect.stringContaining("container does not exist: web (hint: ")]);
  });

  it("takes the last of two log files, and opens no other", async () => {
    await run("--log", "/a", "--log", "/b", "help");
    expect([...written.logs.keys()]).toEqual(["/b"]);
  });

  it("takes /dev/stderr for what holds without --log", async () => {
    expect(await run("--log", "/dev/stderr", "state", "web")).toBe(1);
    expect(written.logs.size).toBe(0);
    expect(written.error).toHaveLength(1);
  });

  it("says more with --debug", async () => {
    await run("--debug", "help", "run");
    expect(written.error[0]).toMatch(/ level=debug msg="runlet help .*"$/);
    expect(written.error[1]).toMatch(/ level=debug msg="runlet help: exit status 0"$/);
  });
});

describe("spec", () => {
  it("writes a config once and never over one that is there", async () => {
    expect(await run("spec", "-b", directory)).toBe(0);
    const config = JSON.parse(readFileSync(join(directory, "config.json"), "utf8"));
    expect(config).toMatchObject({ hostname: "runlet", process: { terminal: true, args: ["sh"] } });
    expect(config.linux.namespaces).not.toContainEqual({ type: "user" });

    writeFileSync(join(directory, "config.json"), "mine");
    expect(await run("spec", "-b", directory)).toBe(1);
    expect(written.error[0]).toContain("exists");
    expect(readFileSync(join(directory, "config.json"), "utf8")).toBe("mine");
  });

  it("writes a rootless one, under another name, elsewhere or to standard output", async () => {
    expect(await run("spec", "-b", directory, "--rootless", "-f", "other.json")).toBe(0);
    expect(JSON.parse(readFileSync(join(directory, "other.json"), "utf8")).linux.namespaces).toContainEqual({
      type: "user",
    });
    const absolute = join(directory, "sub.json");
    expect(await run("spec", "-b", "/nosuch", "-f", absolute)).toBe(0);
    expect(JSON.parse(readFileSync(absolute, "utf8"))).toMatchObject({ hostname: "runlet" });
    expect(await run("spec", "--file=-")).toBe(0);
    expect(JSON.parse(written.output[0] ?? "")).toMatchObject({ hostname: "runlet" });
  });

  it("says what is wrong with a bundle that is not there", async () => {
    expect(await run("spec", "-b", join(directory, "nosuch"))).toBe(1);
    expect(written.error[0]).toContain("no such file or directory");
  });
});

describe("validate", () => {
  it("says nothing about the default config", async () => {
    await run("spec", "-b", directory);
    expect(await run("validate", directory)).toBe(0);
    expect(written.output).toEqual([]);
  });

  it("prints file, line, column, severity and pointer of each issue, and answers an error with 1", async () => {
    const path = join(directory, "config.json");
    writeFileSync(path, '{\n  "ociVersion": "1.3.0",\n  "hostname": 5\n}\n');
    expect(await run("validate", path)).toBe(1);
    expect(written.output[0]).toContain(`${path}:3:15: error /hostname: `);
    written.output.length = 0;
    expect(await run("validate", "--json", directory)).toBe(1);
    expect(JSON.parse(written.output[0] ?? "")).toContainEqual(
      expect.objectContaining({ pointer: "/hostname", line: 3, column: 15, severity: "error" }),
    );
  });

  it("says where the JSON ends too early", async () => {
    const path = join(directory, "config.json");
    writeFileSync(path, '{\n  "ociVersion":');
    expect(await run("validate", path)).toBe(1);
    expect(written.output[0]).toMatch(/config\.json:2:\d+: error \/: /);
  });

  it("says that there is no config", async () => {
    expect(await run("validate", directory)).toBe(1);
    expect(written.error[0]).toContain("JSON specification file config.json not found");
    expect(await run("validate", join(directory, "nosuch"))).toBe(1);
    expect(written.error[1]).toContain("no such file or directory");
  });
});

describe("manual", () => {
  it("prints a page", async () => {
    expect(await run("manual", "run")).toBe(0);
    expect(written.output[0]).toMatch(/^\.TH "RUNLET-RUN" "8"/);
  });
});

describe("commands on containers", () => {
  it("print an empty list as a table, as JSON, and as ids", async () => {
    expect(await run("--root", directory, "list")).toBe(0);
    expect(await run("--root", directory, "list", "-f", "json")).toBe(0);
    expect(await run("--root", directory, "list", "-q")).toBe(0);
    expect(written.output).toEqual(["ID          PID         STATUS      BUNDLE      CREATED     OWNER", "null"]);
  });

  it("make no state root that was named and is not there", async () => {
    const root = join(directory, "nosuch");
    expect(await run("--root", root, "list")).toBe(1);
    expect(written.error[0]).toContain("no such file or directory");
    expect(readdirSync(directory)).toEqual([]);
  });

  it.each([
    [["state", "web"]],
    [["start", "web"]],
    [["kill", "web", "TERM"]],
    [["kill", "web", "FOO"]],
    [["delete", "web"]],
  ])("say that there is no container: %j", async (args) => {
    expect(await run("--root", directory, ...args)).toBe(1);
    expect(written.error[0]).toContain("container does not exist");
    expect(written.output).toEqual([]);
  });

  it("delete with --force what is not there without an error", async () => {
    expect(await run("--root", directory, "delete", "--force", "web")).toBe(0);
    expect(written.error).toEqual([]);
  });

  it("delete with --force what another command deletes at the same time, and all else that matches", async () => {
    for (const id of ["db", "web"]) {
      mkdirSync(join(directory, id));
      const record = { id, version: 1, init_process_pid: 0, cgroup: null, config: { ociVersion: "1.3.0" } };
      writeFileSync(join(directory, id, "state.json"), JSON.stringify(record));
    }
    const hostPath = join(directory, "db");
    const lockFd = openSync(hostPath, "r");
    tryLock(lockFd);
    const deletion = run("--root", directory, "delete", "--force", "--regex", ".*");
    const isOpenTwice = () => descriptorsOf(hostPath) === 2;
    await expect.poll(isOpenTwice, { timeout: 10_000, interval: 1 }).toBe(true);
    rmSync(hostPath, { recursive: true });
    closeSync(lockFd);
    expect([await deletion, written.error]).toEqual([0, []]);
    expect(readdirSync(directory)).toEqual([]);
  });

  it.each(["../web", ".", "a/b", "", "a b"])("refuse the id %j", async (id) => {
    expect(await run("--root", directory, "state", id)).toBe(1);
    expect(written.error[0]).toContain("invalid container ID format");
  });

  it("refuse to create without a bundle, or without a config in it", async () => {
    expect(await run("--root", directory, "create", "-b", join(directory, "nosuch"), "web")).toBe(1);
    expect(written.error[0]).toMatch(/chdir .*nosuch: no such file or directory/);
    expect(await run("--root", directory, "run", "-b", directory, "web")).toBe(1);
    expect(written.error[1]).toContain("JSON specification file config.json not found");
    expect(readdirSync(directory)).toEqual([]);
  });
});
