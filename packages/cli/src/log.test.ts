import { RunletError } from "@runlet/errors";
import { describe, expect, it } from "vitest";
import { Log, type LogOptions } from "./log.ts";

interface Written {
  readonly file: string[];
  readonly standardError: string[];
}

function makeLog(options: Partial<LogOptions> & { readonly hasFile?: boolean }): { log: Log; written: Written } {
  const written: Written = { file: [], standardError: [] };
  const { hasFile = false, ...rest } = options;
  const log = new Log({
    format: "text",
    level: "info",
    appendToFile: hasFile ? (text) => written.file.push(text) : undefined,
    printError: (text) => written.standardError.push(text),
    isTerminal: () => false,
    hasColours: true,
    now: () => new Date("2026-11-21T20:48:05.123Z"),
    ...rest,
  });
  return { log, written };
}

const mountError = new RunletError("ERR_RUNLET_MOUNT", 'mount "nfs" at /data failed', {
  pointer: "/mounts/3",
  syscall: "mount",
  errno: "ENODEV",
  hint: "load the nfs module",
});
const mountLine =
  'config.json /mounts/3: mount "nfs" at /data failed: mount(2): ENODEV — no such device (hint: load the nfs module)';

describe("Log", () => {
  it("writes text as engines read it", () => {
    const { log, written } = makeLog({});
    log.error(new Error("container does not exist"));
    expect(written.standardError).toEqual(['time="2026-11-21T20:48:05Z" level=error msg="container does not exist"']);
  });

  it("writes JSON, one object a line, with the keys in their order", () => {
    const { log, written } = makeLog({ format: "json", hasFile: true });
    log.error(mountError);
    expect(written.file).toEqual([
      `{"level":"error","msg":${JSON.stringify(mountLine)},"time":"2026-11-21T20:48:05Z"}\n`,
    ]);
    expect(written.standardError).toEqual([mountLine]);
  });

  it("keeps warnings in the log file alone", () => {
    const { log, written } = makeLog({ hasFile: true });
    log.warn("an unknown field");
    expect(written.file).toEqual(['time="2026-11-21T20:48:05Z" level=warning msg="an unknown field"\n']);
    expect(written.standardError).toEqual([]);
  });

  it("explains an error in three lines on a terminal", () => {
    const { log, written } = makeLog({ isTerminal: () => true });
    log.error(mountError);
    expect(written.standardError).toEqual([
      '\u001b[31mERRO\u001b[0m[0000] config.json /mounts/3: mount "nfs" at /data failed\n  mount(2): ENODEV — no such device\n  hint: load the nfs module',
    ]);
  });

  it("has no colours where none are wanted, and counts the seconds", () => {
    let second = 0;
    const { log, written } = makeLog({
      isTerminal: () => true,
      hasColours: false,
      now: () => new Date(second++ * 61_000),
    });
    log.warn("late");
    expect(written.standardError).toEqual(["WARN[0061] late"]);
  });

  it("writes JSON on a terminal too, where that was asked for", () => {
    const { log, written } = makeLog({ isTerminal: () => true, format: "json" });
    log.warn("x");
    expect(written.standardError).toEqual(['{"level":"warning","msg":"x","time":"2026-11-21T20:48:05Z"}']);
  });

  it("leaves out what is less important than its level", () => {
    const { log, written } = makeLog({ level: "error" });
    log.warn("x");
    log.debug("x");
    expect(written.standardError).toEqual([]);
    const debugging = makeLog({ level: "debug" });
    debugging.log.debug("x");
    expect(debugging.written.standardError).toEqual(['time="2026-11-21T20:48:05Z" level=debug msg="x"']);
  });

  it("puts the prefix before the message", () => {
    const { log, written } = makeLog({ hasFile: true });
    log.error(new Error("container does not exist"), "exec failed: ");
    expect(written.file[0]).toContain('msg="exec failed: container does not exist"');
    expect(written.standardError).toEqual(["exec failed: container does not exist"]);
  });
});
