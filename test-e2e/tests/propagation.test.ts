import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Linux } from "@runlet/spec";
import { afterEach, beforeEach, describe, expect } from "vitest";
import type { RuntimeName } from "../harness/command.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;
const mountinfo = "read=/proc/self/mountinfo";

type Form = NonNullable<Linux["rootfsPropagation"]>;

/** A shared mount of the host's, as everything is where systemd is. */
let source = "";

const isRoot = process.geteuid?.() === 0;

beforeEach((context) => {
  if (!isRoot) return;
  source = join(e2e.directory, `shared-${context.task.id}`);
  mkdirSync(source);
  execFileSync("mount", ["-t", "tmpfs", e2e.tag, source]);
  execFileSync("mount", ["--make-shared", source]);
  mkdirSync(join(source, "below"));
});

afterEach(() => {
  if (isRoot) execFileSync("umount", ["--recursive", source]);
});

/** A container that may mount, with the shared mount at /data. */
function bundleWith(rootfsPropagation: Form | undefined, options: readonly string[]) {
  return e2e.bundle((config, made) => {
    made.add({ "data/": "" });
    const names = ["CAP_SYS_ADMIN"];
    config.process.capabilities = { bounding: names, effective: names, permitted: names };
    if (rootfsPropagation !== undefined) config.linux.rootfsPropagation = rootfsPropagation;
    config.mounts.push({ destination: "/data", type: "bind", source, options: ["rbind", ...options] });
  });
}

/** Whether what the container mounts at /data/below appears on the host while it lives. */
async function reachesHost(bundle: ReturnType<typeof bundleWith>): Promise<boolean> {
  const verbs = ["mount=tmpfs:/data/below", "statfs=/data/below", "waitFile=/data/go"];
  const call = e2e.runtime.start(["run", "--bundle", bundle.probing(...verbs).hostPath, e2e.id()]);
  const output = await call.waitForOutput("statfs=/data/below");
  const isThere = readFileSync("/proc/self/mountinfo", "utf8").includes(join(source, "below"));
  writeFileSync(join(source, "go"), "");
  expect(await call.ended).toMatchObject({ status: 0 });
  expect(output).toContain('["mount=tmpfs:/data/below","ok"]');
  return isThere;
}

describe("[/linux/rootfsPropagation] is that of the root, as the container sees it", () => {
  // runc 1.1 gives a shared root only to what it mounts below, and refuses an unbindable one.
  const forms: [form: Form, expected: RegExp, runtimes: RuntimeName[]][] = [
    ["private", /^$/, ["runlet", "runc", "crun"]],
    ["rprivate" as Form, /^$/, ["runlet", "runc", "crun"]],
    ["slave", /^(master:\d+)?$/, ["runlet", "runc", "crun"]],
    ["rslave" as Form, /^(master:\d+)?$/, ["runlet", "runc", "crun"]],
    ["shared", /^shared:\d+/, ["runlet", "crun"]],
    ["rshared" as Form, /^shared:\d+/, ["runlet", "crun"]],
    ["unbindable", /^unbindable$/, ["runlet", "crun"]],
    ["runbindable" as Form, /^unbindable$/, ["runlet"]],
  ];
  for (const [form, expected, runtime] of forms) {
    test(form, { runtime }, async () => {
      const seen = await e2e.observe(bundleWith(form, []), mountinfo);
      expect(seen.mountAt("/").propagation.join(" ")).toMatch(expected);
    });
  }

  test("a form that nobody knows is refused", { runtime: ["runlet", "runc"] }, async () => {
    const result = await e2e.run(bundleWith("sideways" as Form, []).probing("ids"));
    expect(result.status).toBe(1);
    expect(result.stdout).toBe("");
    if (e2e.runtime.name === "runlet") expect(result.stderr).toContain("/linux/rootfsPropagation");
  });
});

describe("what a container mounts", () => {
  test("[/linux/rootfsPropagation] stays in the container, without a word", async () => {
    expect(await reachesHost(bundleWith(undefined, []))).toBe(false);
  });

  for (const form of ["private", "slave"] as const) {
    // runc 1.1 lets a mount that is shared stay a peer of the host's.
    test(`[/linux/rootfsPropagation] stays in the container with ${form}`, {
      runtime: ["runlet", "crun"],
    }, async () => {
      expect(await reachesHost(bundleWith(form, ["rshared"]))).toBe(false);
    });
  }

  // crun 1.8.1 makes the bind's source private first.
  test("[/linux/rootfsPropagation] reaches the host where both the root and the mount are shared", {
    runtime: ["runlet", "runc"],
  }, async () => {
    expect(await reachesHost(bundleWith("shared", ["rshared"]))).toBe(true);
  });

  test("[/mounts] does not reach the host from a slave in a shared root", async () => {
    expect(await reachesHost(bundleWith("shared", ["rslave"]))).toBe(false);
  });
});

test("[/mounts] slave and then shared is both: what the host mounts comes, and what comes goes on to peers", {
  runtime: ["runlet"],
}, async () => {
  const seen = await e2e.observe(bundleWith(undefined, ["rslave", "rshared"]), mountinfo);
  expect(seen.mountAt("/data").propagation).toEqual([
    expect.stringMatching(/^shared:\d+$/),
    expect.stringMatching(/^master:\d+$/),
  ]);
});

describe("[/mounts] propagation of a tree", () => {
  for (const [option, expected, below] of [
    ["private", /^$/, /master/],
    ["rprivate", /^$/, /^$/],
    ["unbindable", /^unbindable$/, /master/],
    ["runbindable", /^unbindable$/, /^unbindable$/],
  ] as const) {
    test(`${option} is of ${option.startsWith("r") ? "all of it" : "its top alone"}`, {
      runtime: ["runlet", "runc"],
    }, async () => {
      execFileSync("mount", ["-t", "tmpfs", e2e.tag, join(source, "below")]);
      const seen = await e2e.observe(bundleWith(undefined, [option]), mountinfo);
      expect(seen.mountAt("/data").propagation.join(" ")).toMatch(expected);
      expect(seen.mountAt("/data/below").propagation.join(" ")).toMatch(below);
    });
  }
});
