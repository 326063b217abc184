import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Cgroup } from "@runlet/cgroups";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { changeSchemata } from "./intel-rdt.ts";
import type { StateRecord } from "./state-record.ts";

let resctrl: string;

function add(files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(resctrl, name)), { recursive: true });
    writeFileSync(join(resctrl, name), content);
  }
}

beforeEach(() => {
  resctrl = mkdtempSync(join(tmpdir(), "runlet-resctrl-"));
  mkdirSync(join(resctrl, "info/L3"), { recursive: true });
});

afterEach(() => rmSync(resctrl, { recursive: true }));

/** A container whose only process is this one, in a group that says what is done to it. */
function container(intelRdt?: StateRecord["intelRdt"]) {
  const calls: string[] = [];
  const written: StateRecord[] = [];
  const record = { id: "web", ...(intelRdt === undefined ? {} : { intelRdt }) } as StateRecord;
  const cgroup = {
    isFrozen: () => false,
    freeze: async () => void calls.push("freeze"),
    thaw: async () => void calls.push("thaw"),
    processes: () => [process.pid],
  } as Partial<Cgroup> as Cgroup;
  const change = (schemata: { l3CacheSchema?: string; memBwSchema?: string }, mountPoint: string | null = resctrl) =>
    changeSchemata({ record, cgroup, schemata, write: (one) => void written.push(one), mountPoint });
  return { calls, written, record, change };
}

describe("a container with a class of service", () => {
  const own = () => ({
    mountPoint: resctrl,
    intel_rdt_path: join(resctrl, "web"),
    monitoringPath: null,
    isOwn: true,
  });

  test("gets other schemata there, and can be given the old ones again", async () => {
    add({ "web/schemata": "L3:0=f\n" });
    const { change, calls, written } = container(own());
    const { undo } = await change({ l3CacheSchema: "L3:0=3" });
    expect(readFileSync(join(resctrl, "web/schemata"), "utf8")).toBe("L3:0=3\n");
    undo();
    expect(readFileSync(join(resctrl, "web/schemata"), "utf8")).toBe("L3:0=f\n");
    expect([calls, written]).toEqual([[], []]);
  });
});

describe("a container without a class of service", () => {
  test("gets one with all of its threads, while they stand still", async () => {
    // A class that is there and empty stands for the files that the kernel makes with the directory.
    add({ "web/schemata": "", "web/tasks": "" });
    const { change, calls, written } = container();
    const { record } = await change({ l3CacheSchema: "L3:0=f" });
    expect(calls).toEqual(["freeze", "thaw"]);
    expect(readFileSync(join(resctrl, "web/schemata"), "utf8")).toBe("L3:0=f\n");
    const threads = readdirSync(`/proc/${process.pid}/task`);
    const [last] = readFileSync(join(resctrl, "web/tasks"), "utf8").split("\n");
    expect(threads).toContain(last);
    expect(record.intelRdt).toMatchObject({ intel_rdt_path: join(resctrl, "web"), isOwn: true });
    expect(written).toEqual([record]);
  });

  test("is as it was when the schemata are refused", async () => {
    const { change, calls, written, record } = container();
    // A plain directory has no schemata, as a kernel without the resource would refuse the line.
    await expect(change({ l3CacheSchema: "L3:0=f" })).rejects.toMatchObject({
      code: "ERR_RUNLET_CGROUP",
      pointer: "/linux/intelRdt/l3CacheSchema",
    });
    expect(existsSync(join(resctrl, "web"))).toBe(false);
    expect(written.at(-1)).toEqual(record);
    expect(calls).toEqual([]);
  });

  test.each([
    ["l3CacheSchema", "L3:0=f", null, "Intel RDT/CAT: l3 cache schema is not enabled"],
    ["memBwSchema", "MB:0=20", "here", "Intel RDT/MBA: memory bandwidth schema is not enabled"],
  ] as const)("is told that the host has no %s", async (field, line, mounted, message) => {
    const { change, written } = container();
    await expect(change({ [field]: line }, mounted === null ? null : resctrl)).rejects.toMatchObject({
      code: "ERR_RUNLET_UNSUPPORTED",
      pointer: `/linux/intelRdt/${field}`,
      message,
    });
    expect(written).toEqual([]);
  });
});
