import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  getWindowSize,
  isatty,
  keepNewlines,
  makeRaw,
  relayTerminal,
  restoreTerminal,
  setWindowSize,
} from "./terminal.ts";

let mainFd: number;
let directory: string;
const opened: number[] = [];

function open(path: string, flags: string): number {
  const fd = openSync(path, flags);
  opened.push(fd);
  return fd;
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "runlet-terminal-"));
  mainFd = open("/dev/ptmx", "r+");
});
afterEach(() => {
  for (const fd of opened.splice(0)) closeSync(fd);
  rmSync(directory, { recursive: true });
});

/** The mode as stty(1) shows it, for a second opinion. */
function stty(fd: number): string {
  return execFileSync("stty", ["-a"], { stdio: [fd, "pipe", "inherit"], encoding: "utf8" });
}

describe("isatty", () => {
  it("is true for a terminal and false for anything else", () => {
    expect(isatty(mainFd)).toBe(true);
    expect(isatty(open("/dev/null", "r"))).toBe(false);
    expect(isatty(9999)).toBe(false);
  });
});

describe("window size", () => {
  it("reads back what was set", () => {
    setWindowSize(mainFd, { rows: 33, columns: 121, widthPixels: 640, heightPixels: 480 });
    expect(getWindowSize(mainFd)).toEqual({ rows: 33, columns: 121, widthPixels: 640, heightPixels: 480 });
    expect(stty(mainFd)).toContain("rows 33; columns 121");
  });

  it("says ENOTTY for a file", () => {
    const fileFd = open("/dev/null", "r");
    expect(() => getWindowSize(fileFd)).toThrow(expect.objectContaining({ code: "ENOTTY" }));
    expect(() => setWindowSize(fileFd, { rows: 1, columns: 1 })).toThrow(expect.objectContaining({ code: "ENOTTY" }));
  });
});

describe("mode", () => {
  it("becomes raw with output processing on, and is restored to what it was", () => {
    const before = stty(mainFd);
    expect(before).toMatch(/\bicanon .*\becho /s);
    const mode = makeRaw(mainFd);
    expect(stty(mainFd)).toMatch(/opost .*-isig -icanon .*-echo /s);
    restoreTerminal(mainFd, mode);
    expect(stty(mainFd)).toBe(before);
  });

  it("keeps newlines", () => {
    expect(stty(mainFd)).toMatch(/ onlcr/);
    keepNewlines(mainFd);
    expect(stty(mainFd)).toMatch(/-onlcr/);
  });

  it("refuses bytes that are no mode", () => {
    expect(() => restoreTerminal(mainFd, new Uint8Array(3))).toThrow(expect.objectContaining({ code: "EINVAL" }));
  });
});

describe("relayTerminal", () => {
  const patience = { timeout: 15_000 };

  /** A FIFO that is open both ways gives back what is written to it, as a terminal in echo mode does. */
  function openEcho(): number {
    const fifo = join(directory, "echo");
    execFileSync("mkfifo", [fifo]);
    return open(fifo, "r+");
  }

  it("copies both ways and passes the end of the input on", async () => {
    const typed = `${"0123456789abcdef".repeat(512)}\n`;
    writeFileSync(join(directory, "input"), typed);
    const outputPath = join(directory, "output");
    const relay = relayTerminal({
      mainFd: openEcho(),
      inputFd: open(join(directory, "input"), "r"),
      outputFd: open(outputPath, "w"),
    });
    await expect.poll(() => readFileSync(outputPath, "utf8").length, patience).toBe(typed.length + 1);
    relay.finish();
    relay.finish();
    await relay.ended;
    expect(readFileSync(outputPath, "utf8")).toBe(`${typed}\u0004`);
  });

  it("ends an unfinished line before it ends the input", async () => {
    writeFileSync(join(directory, "input"), "exit");
    const outputPath = join(directory, "output");
    const relay = relayTerminal({
      mainFd: openEcho(),
      inputFd: open(join(directory, "input"), "r"),
      outputFd: open(outputPath, "w"),
    });
    await expect.poll(() => readFileSync(outputPath, "utf8"), patience).toBe("exit\u0004\u0004");
    relay.finish();
    await relay.ended;
  });

  it("ends the input again for a program that leaves the line mode, where an end typed before is lost", async () => {
    writeFileSync(join(directory, "input"), "line\n");
    const outputPath = join(directory, "output");
    const relay = relayTerminal({
      mainFd,
      inputFd: open(join(directory, "input"), "r"),
      outputFd: open(outputPath, "w"),
    });
    const output = () => readFileSync(outputPath, "latin1");
    await expect.poll(output, patience).toBe("line\r\n");
    // The first end follows the line at once; in line mode it is not echoed.
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(output()).toBe("line\r\n");
    execFileSync("stty", ["-icanon", "echo", "-echoctl"], { stdio: [mainFd, "inherit", "inherit"] });
    await expect.poll(output, patience).toContain("line\r\n\u0004");
    relay.finish();
    await relay.ended;
  });

  it("ends by itself when the main end is closed", async () => {
    writeFileSync(join(directory, "main"), "the last words");
    const outputPath = join(directory, "output");
    const relay = relayTerminal({
      mainFd: open(join(directory, "main"), "r"),
      inputFd: openEcho(),
      outputFd: open(outputPath, "w"),
    });
    await relay.ended;
    expect(readFileSync(outputPath, "utf8")).toBe("the last words");
    relay.finish();
  });

  it("goes on when the output cannot be written", async () => {
    writeFileSync(join(directory, "main"), "x".repeat(100_000));
    const relay = relayTerminal({
      mainFd: open(join(directory, "main"), "r"),
      inputFd: openEcho(),
      outputFd: open("/dev/full", "w"),
    });
    await relay.ended;
  });

  it("says EBADF for a descriptor that is not open", () => {
    expect(() => relayTerminal({ mainFd: 9999, inputFd: 0, outputFd: 1 })).toThrow(
      expect.objectContaining({ code: "EBADF" }),
    );
  });
});
