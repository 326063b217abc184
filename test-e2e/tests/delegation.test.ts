import { chownSync, existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect } from "vitest";
import { ControlGroup, isV2 } from "../harness/control-group.ts";
import { findLeaks } from "../harness/leaks.ts";
import { OrdinaryUser } from "../harness/ordinary-user.ts";
import type { Requirements } from "../harness/requirements.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite({ root: true, cgroup: ["v1", "hybrid", "v2"], runtime: ["runlet", "runc"] });
const { test } = e2e;

const mebibyte = 1 << 20;

/** The user of the guest for whom systemd runs an instance, see vm/initramfs-init. */
const systemdUid = 61_234;
const runtimeDirectory = `/run/user/${systemdUid}`;

/** A way in which the host lets an ordinary user have control groups. */
interface Delegation {
  readonly what: string;
  readonly needs: Requirements;
  readonly open: () => { readonly user: OrdinaryUser; readonly close: () => void };
}

const delegations: Delegation[] = [
  { what: "by the owner of a directory", needs: { cgroupManager: "cgroupfs" }, open: openDirectories },
  {
    what: "by the user's own systemd",
    needs: { cgroup: ["v2"], file: [`${runtimeDirectory}/systemd/private`, "an ordinary user with a systemd"] },
    open: () => {
      const env = { XDG_RUNTIME_DIR: runtimeDirectory };
      const user = new OrdinaryUser({ suite: e2e, uid: systemdUid, global: ["--systemd-cgroup"], env });
      return { user, close: () => {} };
    },
  },
];

/** Groups of a user's own: on v1 in some hierarchies, on v2 with some controllers. */
function openDirectories() {
  const uid = 61_236;
  // Whatever other suites switch on at the top, the group between lets only two controllers down.
  const between = `/sys/fs/cgroup/${e2e.tag}`;
  if (isV2) {
    writeFileSync("/sys/fs/cgroup/cgroup.subtree_control", "+memory +pids");
    mkdirSync(between);
    writeFileSync(join(between, "cgroup.subtree_control"), "+memory +pids");
  }
  const groups = isV2
    ? [join(between, "user")]
    : ["memory", "pids", "freezer"].map((controller) => `/sys/fs/cgroup/${controller}/${e2e.tag}`);
  for (const group of groups) {
    mkdirSync(group);
    for (const name of ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"]) {
      if (existsSync(join(group, name))) chownSync(join(group, name), uid, uid);
    }
    // A group of v2 with groups below has no processes of its own: the user's are beside the containers'.
    if (isV2) mkdirSync(join(group, "session"));
  }
  const controlGroups = isV2 ? groups.map((group) => join(group, "session")) : groups;
  const close = () => {
    for (const group of groups) {
      if (isV2) rmdirSync(join(group, "session"));
      rmdirSync(group);
    }
    if (isV2) rmdirSync(between);
  };
  return { user: new OrdinaryUser({ suite: e2e, uid, controlGroups }), close };
}

describe.each(delegations)("in control groups delegated $what", ({ needs, open }) => {
  let user: OrdinaryUser;
  let close: (() => void) | undefined;

  beforeAll(() => {
    if (e2e.unmet(needs) === undefined) ({ user, close } = open());
  });

  afterEach(async () => {
    await user?.deleteContainers();
  });

  afterAll(() => close?.());

  type Resources = NonNullable<Awaited<ReturnType<OrdinaryUser["bundle"]>>["config"]["linux"]["resources"]>;

  async function limited(resources: Resources, ...verbs: string[]) {
    const bundle = await user.bundle((config) => {
      config.linux.resources = resources;
    });
    return bundle.probing(...verbs);
  }

  /** Creates and starts a container, and finds its control group. */
  async function start(resources: Resources, ...verbs: string[]) {
    const id = e2e.id();
    const bundle = await limited(resources, ...verbs);
    const call = user.start(["run", "--detach", "--bundle", bundle.hostPath, id]);
    expect(await call.ended).toMatchObject({ status: 0 });
    const { pid } = JSON.parse((await user.invoke(["state", id])).stdout) as { pid: number };
    return { id, bundle, call, group: new ControlGroup(pid) };
  }

  test("[/linux/resources/pids/limit] a fork bomb stops", needs, async () => {
    const seen = await user.observe(await limited({ pids: { limit: 4 } }), "fork=20");
    expect(seen.of("fork=20")).toBe(3);
  });

  test("[/linux/resources/memory/limit] a process that passes it is killed", needs, async () => {
    const memory = { limit: 48 * mebibyte, swap: 48 * mebibyte };
    expect(await user.run(await limited({ memory }, "allocateMiB=16"))).toMatchObject({ status: 0 });
    expect(await user.run(await limited({ memory }, "allocateMiB=96"))).toMatchObject({ status: 137, stdout: "" });
  });

  test("the container can be paused, resumed, updated, watched and deleted", {
    ...needs,
    // runc wants to read the hierarchies too that are not delegated.
    runtime: ["runlet"],
  }, async () => {
    const { id, group } = await start({ pids: { limit: 20 } }, "fork=2", "wait");
    expect(await user.invoke(["pause", id])).toMatchObject({ status: 0 });
    expect((await user.invoke(["state", id])).stdout).toContain('"paused"');
    expect(await user.invoke(["resume", id])).toMatchObject({ status: 0 });
    expect((await user.invoke(["state", id])).stdout).toContain('"running"');
    expect(await user.invoke(["update", "--pids-limit", "9", "--memory", "64M", id])).toMatchObject({ status: 0 });
    expect(group.read("pids", "pids.max")).toBe("9");
    expect(group.read("memory", isV2 ? "memory.max" : "memory.limit_in_bytes")).toBe(String(64 * mebibyte));
    const { stdout } = await user.invoke(["events", "--stats", id]);
    expect(JSON.parse(stdout).data.pids).toEqual({ current: 3, limit: 9 });
    expect(JSON.parse((await user.invoke(["ps", "--format", "json", id])).stdout)).toHaveLength(3);
    expect(await user.invoke(["delete", "--force", id])).toMatchObject({ status: 0 });
    expect(findLeaks(id)).toEqual([]);
  });

  test("[/linux/resources/cpu/cpus] of a controller that is not delegated is refused", {
    ...needs,
    runtime: ["runlet"],
  }, async () => {
    const id = e2e.id();
    const bundle = await limited({ cpu: { cpus: "0" } }, "wait");
    const result = await user.invoke(["create", "--bundle", bundle.hostPath, id]);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("/linux/resources/cpu/cpus");
    expect(result.stderr).toContain("cpuset");
    expect(findLeaks(id)).toEqual([]);
  });
});

describe("without delegated control groups", () => {
  let user: OrdinaryUser;

  e2e.beforeAll(() => {
    user = new OrdinaryUser({ suite: e2e, uid: 61_237 });
  });

  e2e.afterEach(async () => {
    await user.deleteContainers();
  });

  test("pause says why it cannot", { runtime: ["runlet"] }, async () => {
    const bundle = (await user.bundle()).probing("wait");
    const id = e2e.id();
    expect(await user.invoke(["run", "--detach", "--bundle", bundle.hostPath, id])).toMatchObject({ status: 0 });
    const paused = await user.invoke(["pause", id]);
    expect(paused.status).toBe(1);
    expect(paused.stderr).toContain("no control group");
  });

  test("--systemd-cgroup says that the user has no systemd", { runtime: ["runlet"] }, async () => {
    const bundle = (await user.bundle()).probing("wait");
    const id = e2e.id();
    const args = ["--systemd-cgroup", "create", "--bundle", bundle.hostPath, id];
    const result = await user.invoke(args, { env: { XDG_RUNTIME_DIR: user.home } });
    expect(result.status).toBe(1);
    expect(result.stderr).toContain(
      isV2
        ? "systemd is not there: no bus of a user's systemd in $XDG_RUNTIME_DIR"
        : "a user's systemd manages control groups on cgroup v2 only",
    );
    expect(findLeaks(id)).toEqual([]);
  });
});
