import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import type { Observation } from "../harness/observation.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;

describe("recursive attributes", () => {
  /** What a bind mount with an option gives a mount that lies in its source. */
  async function observeBelow(option: string, ...verbs: string[]): Promise<Observation> {
    const tree = join(e2e.directory, `recursive-${option}`);
    const below = join(tree, "below");
    mkdirSync(below, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", e2e.tag, below]);
    try {
      return await e2e.observe(
        e2e.bundle((config) => {
          config.root.readonly = false;
          config.mounts.push({ destination: "/data", type: "bind", source: tree, options: ["rbind", option] });
        }),
        "read=/proc/self/mountinfo",
        ...verbs,
      );
    } finally {
      execFileSync("umount", [below]);
    }
  }

  const options: [option: string, shown: string][] = [
    ["rro", "ro"],
    ["rnosuid", "nosuid"],
    ["rnodev", "nodev"],
    ["rnoexec", "noexec"],
    ["rnoatime", "noatime"],
    ["rnodiratime", "nodiratime"],
    ["rrelatime", "relatime"],
  ];
  for (const [option, shown] of options) {
    // crun 1.8 asks the kernel for two atime modes at once.
    const runtime = option.endsWith("atime") ? (["runlet", "runc"] as const) : (["runlet", "runc", "crun"] as const);
    test(`${option} holds for the mounts below as well`, { kernel: "5.12", runtime }, async () => {
      const seen = await observeBelow(option);
      expect(seen.mountAt("/data").options).toContain(shown);
      expect(seen.mountAt("/data/below").options).toContain(shown);
    });
  }

  test("rnosymfollow", { kernel: "5.14", runtime: ["runlet"] }, async () => {
    const seen = await observeBelow("rnosymfollow");
    expect(seen.mountAt("/data/below").options).toContain("nosymfollow");
  });

  test("ro, by contrast, holds for the mount itself alone", async () => {
    const seen = await observeBelow("ro", "write=/data/below/x:y", "write=/data/x:y");
    expect(seen.of("write=/data/below/x:y")).toBe("ok");
    expect(seen.of("write=/data/x:y")).toEqual({ errno: "EROFS" });
  });
});

describe("tmpfs with tmpcopyup", () => {
  test("starts with what the directory had, and leaves the directory as it was", async () => {
    const bundle = e2e.bundle((config, made) => {
      made.add({ "etc/kept": "from the rootfs", "etc/deep/er": "too" });
      config.mounts.push({ destination: "/etc", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup", "mode=755"] });
    });
    const seen = await e2e.observe(bundle, "read=/etc/kept", "read=/etc/deep/er", "write=/etc/new:x", "statfs=/etc");
    expect(seen.of("read=/etc/kept")).toBe("from the rootfs");
    expect(seen.of("read=/etc/deep/er")).toBe("too");
    expect(seen.of("write=/etc/new:x")).toBe("ok");
    expect(seen.of("statfs=/etc")).toMatchObject({ magic: 0x01021994 });
    expect(() => readFileSync(join(bundle.rootfs, "etc/new"))).toThrow(/ENOENT/);
  });
});

describe("nosymfollow", () => {
  test("links on the mount are not followed", { kernel: "5.10", runtime: ["runlet"] }, async () => {
    const source = join(e2e.directory, "links");
    mkdirSync(source);
    writeFileSync(join(source, "target"), "content");
    execFileSync("ln", ["-s", "target", join(source, "link")]);
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.root.readonly = false;
        config.mounts.push({ destination: "/data", type: "bind", source, options: ["bind", "nosymfollow"] });
      }),
      "read=/data/target",
      "read=/data/link",
    );
    expect(seen.of("read=/data/target")).toBe("content");
    expect(seen.of("read=/data/link")).toEqual({ errno: "ELOOP" });
  });
});

describe("a time namespace", () => {
  const timed = { runtime: ["runlet"], file: ["/proc/self/ns/time", "time namespaces"] } as const;

  test("moves the clocks by its offsets", timed, async () => {
    const bundle = e2e.bundle((config) => {
      config.linux.namespaces = [...(config.linux.namespaces ?? []), { type: "time" }];
      config.linux.timeOffsets = { monotonic: { secs: 100_000 }, boottime: { secs: 700_000, nanosecs: 5 } };
    });
    const seen = await e2e.observe(bundle, "clock=monotonic", "clock=boottime", "readlink=/proc/self/ns/time");
    const host = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
    expect(Math.abs(seen.of<number>("clock=boottime") - host - 700_000)).toBeLessThan(10);
    expect(seen.of<number>("clock=monotonic")).toBeGreaterThan(100_000);
    expect(seen.of<number>("clock=monotonic")).toBeLessThan(host + 100_010);
  });

  test("offsets without one are refused", { runtime: ["runlet"] }, async () => {
    const bundle = e2e.bundle((config) => {
      config.linux.timeOffsets = { monotonic: { secs: 1 } };
    });
    const result = await e2e.run(bundle.probing("pid"));
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("/linux/timeOffsets");
  });
});
