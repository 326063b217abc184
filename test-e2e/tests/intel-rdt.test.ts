import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect } from "vitest";
import type { Config } from "../harness/bundle.ts";
import { findLeaks } from "../harness/leaks.ts";
import { FakeResctrl } from "../harness/resctrl.ts";
import { openSuite } from "../harness/suite.ts";

// Whether the processor holds a class to its share is the processor's: here it is seen that the container is in the class.
const e2e = openSuite({ root: true, cgroup: ["v1", "hybrid", "v2"], runtime: ["runlet"] });
const { test } = e2e;

function bundleWith(intelRdt: Config["linux"]["intelRdt"], ...verbs: string[]) {
  return e2e
    .bundle((config) => {
      if (intelRdt !== undefined) config.linux.intelRdt = intelRdt;
    })
    .probing(...verbs);
}

/** Creates and starts a container on a host with resctrl. */
async function start(host: FakeResctrl, intelRdt: Config["linux"]["intelRdt"], ...verbs: string[]) {
  const id = e2e.id();
  const call = host.start(["create", "--bundle", bundleWith(intelRdt, ...verbs).hostPath, id]);
  expect(await call.ended).toMatchObject({ status: 0, stderr: "" });
  const { pid } = await e2e.runtime.state(id);
  expect(await host.invoke(["start", id])).toMatchObject({ status: 0 });
  return { id, pid, call };
}

describe("a class of service", () => {
  test("[/linux/intelRdt/closID] that is named has the container's processes, and stays when it is deleted", async () => {
    using host = await FakeResctrl.open(e2e, "groups");
    host.makeDirectories("gold");
    const { id, pid, call } = await start(host, { closID: "gold" }, "fork=2", "wait");
    await call.waitForOutput('["fork=2"');
    expect(host.tasks("gold")).toHaveLength(3);
    expect(host.tasks("gold")).toContain(pid);
    expect(await host.invoke(["exec", "--detach", id, "/probe", "wait"])).toMatchObject({ status: 0 });
    expect(host.tasks("gold")).toHaveLength(4);
    expect(await host.invoke(["delete", "--force", id])).toMatchObject({ status: 0, stderr: "" });
    expect(host.directories()).toEqual(["gold"]);
  });

  test("is the container's own when none is named, and goes with it", async () => {
    using host = await FakeResctrl.open(e2e, "groups");
    const { id, pid } = await start(host, {}, "wait");
    expect(host.directories()).toEqual([id]);
    expect(host.tasks(id)).toEqual([pid]);
    expect(await host.invoke(["delete", "--force", id])).toMatchObject({ status: 0, stderr: "" });
    expect(host.directories()).toEqual([]);
  });

  test("[/linux/intelRdt/enableMonitoring] has a group of the container's own that counts", async () => {
    using host = await FakeResctrl.open(e2e, "groups");
    host.makeDirectories("gold/mon_groups");
    const { id, pid } = await start(host, { closID: "gold", enableMonitoring: true }, "wait");
    expect(host.tasks("gold", "mon_groups", id)).toEqual([pid]);
    expect(await host.invoke(["delete", "--force", id])).toMatchObject({ status: 0, stderr: "" });
    expect(host.directories("gold", "mon_groups")).toEqual([]);
  });

  test("[/linux/intelRdt/l3CacheSchema][/linux/intelRdt/memBwSchema][/linux/intelRdt/schemata] has the schemata that the config says, and others after an update", async () => {
    using host = await FakeResctrl.open(e2e, "files");
    host.makeDirectories("gold", "info/L3");
    writeFileSync(host.path("gold", "schemata"), "    L3:0=00f;1=0ff\n    MB:0= 20;1= 70\n    L2:0=1\n");
    writeFileSync(host.path("gold", "tasks"), "");
    writeFileSync(host.path("info/L3/cbm_mask"), "fff\n");
    const intelRdt = { closID: "gold", l3CacheSchema: "L3:0=f", memBwSchema: "MB:0=20;1=70", schemata: ["L2:0=1"] };
    const { id, pid } = await start(host, intelRdt, "wait");
    expect(host.tasks("gold")).toEqual([pid]);
    const { stdout } = await host.invoke(["events", "--stats", id]);
    expect(JSON.parse(stdout).data.intel_rdt).toEqual({
      l3_cache_info: { cbm_mask: "fff" },
      l3_cache_schema: "L3:0=00f;1=0ff",
    });
    const bandwidth = await host.invoke(["update", "--mem-bw-schema", "MB:0=50", id]);
    expect(bandwidth.status).toBe(1);
    expect(bandwidth.stderr).toContain("Intel RDT/MBA: memory bandwidth schema is not enabled");
    expect(await host.invoke(["update", "--l3-cache-schema", "L3:0=3", id])).toMatchObject({ status: 0, stderr: "" });
    expect(readFileSync(host.path("gold", "schemata"), "utf8")).toMatch(/^L3:0=3\n/);
  });
});

describe("refuses, names the field and leaves nothing behind:", () => {
  for (const { what, intelRdt, says } of [
    {
      what: "schemata that a class of that name does not have",
      intelRdt: { closID: "gold", memBwSchema: "MB:0=30" },
      says: ["/linux/intelRdt/memBwSchema", "has other schemata"],
    },
    {
      what: "a class that is not there",
      intelRdt: { closID: "silver" },
      says: ["/linux/intelRdt/closID", "does not exist"],
    },
    {
      what: "schemata that the kernel does not take",
      intelRdt: { schemata: ["L3:0=f"] },
      says: ["/linux/intelRdt/schemata/0", "L3:0=f"],
    },
  ]) {
    test(what, async () => {
      using host = await FakeResctrl.open(e2e, "files");
      host.makeDirectories("gold");
      writeFileSync(host.path("gold", "schemata"), "MB:0=20\n");
      const id = e2e.id();
      const result = await host.invoke(["create", "--bundle", bundleWith(intelRdt, "wait").hostPath, id]);
      expect(result.status).toBe(1);
      for (const words of says) expect(result.stderr).toContain(words);
      expect(host.directories()).toEqual(["gold"]);
      expect(findLeaks(id)).toEqual([]);
      expect((await e2e.runtime.invoke(["state", id])).stderr).toContain("container does not exist");
    });
  }

  test("a host without resctrl", { absent: ["/sys/fs/resctrl/schemata", "resctrl"] }, async () => {
    const id = e2e.id();
    const bundle = bundleWith({ l3CacheSchema: "L3:0=f" }, "wait");
    for (const command of [
      ["plan", bundle.hostPath],
      ["create", "--bundle", bundle.hostPath, id],
    ]) {
      const result = await e2e.runtime.invoke(command);
      expect(result.status).toBe(1);
      expect(result.stderr).toContain("/linux/intelRdt: intelRdt is not possible here: the resctrl file system");
    }
    expect(findLeaks(id)).toEqual([]);
  });

  test("new schemata, on a host without resctrl", { absent: ["/sys/fs/resctrl/schemata", "resctrl"] }, async () => {
    const id = e2e.id();
    await e2e.runtime.succeed(["create", "--bundle", bundleWith(undefined, "wait").hostPath, id]);
    const update = await e2e.runtime.invoke(["update", "--l3-cache-schema", "L3:0=f", id]);
    expect(update.status).toBe(1);
    expect(update.stderr).toContain("Intel RDT/CAT: l3 cache schema is not enabled");
  });
});
