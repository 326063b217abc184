import { readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { Features } from "@runlet/spec";
import { describe, expect } from "vitest";
import { OrdinaryUser } from "../harness/ordinary-user.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;

async function readFeatures(): Promise<Features> {
  const { stdout } = await e2e.runtime.succeed(["features"]);
  return JSON.parse(stdout) as Features;
}

// crun has the command since 1.8.6.
const withCommand = { runtime: ["runlet", "runc"] } as const;

describe("features", () => {
  test("prints what engines look for", withCommand, async () => {
    const features = await readFeatures();
    expect(features.ociVersionMin).toMatch(/^1\.0\./);
    expect(features.ociVersionMax).toMatch(/^1\./);
    expect(features.hooks).toEqual(expect.arrayContaining(["createRuntime", "poststop"]));
    expect(features.mountOptions).toEqual(expect.arrayContaining(["ro", "rro", "rbind", "tmpcopyup"]));
    expect(features.linux?.namespaces).toEqual(expect.arrayContaining(["mount", "network", "pid", "user"]));
    expect(features.linux?.capabilities).toContain("CAP_SYS_ADMIN");
    expect(features.linux?.cgroup).toMatchObject({ v1: true, v2: true, systemd: true });
    expect(features.linux?.seccomp).toMatchObject({ enabled: true });
    expect(features.linux?.apparmor).toEqual({ enabled: true });
    expect(features.linux?.selinux).toEqual({ enabled: true });
  });

  test("needs neither root nor a host that containers can run on", { runtime: ["runlet"] }, async () => {
    const { status, stdout } = await new OrdinaryUser({ suite: e2e }).invoke(["features"], { namesRoot: false });
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ociVersionMax: "1.3.0" });
  });

  test("a container can be made with every namespace that is listed", withCommand, async () => {
    const { linux } = await readFeatures();
    const others = (linux?.namespaces ?? []).filter((type) => type !== "user" && type !== "time");
    const verbs = others.map((type) => `readlink=/proc/self/ns/${{ mount: "mnt", network: "net" }[type] ?? type}`);
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.linux.namespaces = others.map((type) => ({ type: type as "pid" }));
      }),
      ...verbs,
    );
    for (const verb of verbs) {
      expect([verb, seen.of(verb)]).not.toEqual([verb, readlinkSync(verb.slice("readlink=".length))]);
    }
  });
});

describe("ociVersion", () => {
  // runc and crun write their own.
  test("[/ociVersion] of the config stands in the state", { runtime: ["runlet"] }, async () => {
    const bundle = e2e.bundle((config) => {
      config.ociVersion = "1.1.0";
    });
    const id = e2e.id();
    await e2e.runtime.succeed(["run", "--detach", "--bundle", bundle.probing("wait").hostPath, id]);
    expect((await e2e.runtime.state(id)).ociVersion).toBe("1.1.0");
  });

  test("[/ociVersion] of another generation is refused", { runtime: ["runlet"] }, async () => {
    const result = await e2e.run(
      e2e.bundle((config) => {
        config.ociVersion = "2.0.0";
      }),
    );
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("/ociVersion");
  });
});

describe("annotations", () => {
  test("[/annotations] stand in the state, and nothing else comes of them", async () => {
    const annotations = {
      "org.example.key": "value",
      "run.oci.keep_original_groups": "1",
      "org.systemd.property.Description": "'taken'",
    };
    const bundle = e2e.bundle((config) => {
      config.annotations = annotations;
    });
    const id = e2e.id();
    await e2e.runtime.succeed(["run", "--detach", "--bundle", bundle.probing("wait").hostPath, id]);
    expect((await e2e.runtime.state(id)).annotations).toEqual(annotations);
    const status = readFileSync(join("/proc", String((await e2e.runtime.state(id)).pid), "status"), "utf8");
    if (e2e.runtime.name === "runlet") expect(status).toMatch(/^Groups:\s*$/m);
  });
});
