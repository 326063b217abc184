import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Hooks } from "@runlet/spec";
import { describe, expect } from "vitest";
import { target } from "../harness/command.ts";
import { sleep } from "../harness/patience.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;

/** crun has a status of its own for a failure that its caller did not cause. */
const failureStatus = target.name === "crun" ? expect.any(Number) : 1;

const kinds = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"] as const;
type Kind = (typeof kinds)[number];

/** A script of the host's that writes what it was given into a directory. */
function recordingHook(directory: string, name: string, script = ""): { path: string } {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, `${name}.sh`);
  writeFileSync(
    path,
    `#!/bin/sh
cd ${directory}
cat > ${name}.state
env > ${name}.env
printf '%s\\n' "$0" "$@" > ${name}.args
readlink /proc/self/ns/mnt /proc/self/ns/pid > ${name}.namespaces
fds=$(for fd in /proc/$$/fd/*; do case $fd in */[012]) ;; *) readlink $fd ;; esac; done)
echo "$fds" > ${name}.fds
echo ${name} >> order
${script}
`,
    { mode: 0o755 },
  );
  return { path };
}

function readLinkOrEmpty(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

/** Lets the hooks that run inside find the directory and a shell: it is bound into the container at the same path. */
function bundleWithHooks(directory: string, hooks: Hooks) {
  return e2e.bundle((config) => {
    config.root.readonly = false;
    config.hooks = hooks;
    for (const path of [directory, "/bin", "/lib", "/lib64", "/usr"].filter((path) => existsSync(path))) {
      config.mounts.push({ destination: path, type: "bind", source: path, options: ["rbind"] });
    }
  });
}

test("[/hooks/prestart] [/hooks/createRuntime] [/hooks/createContainer] [/hooks/startContainer] [/hooks/poststart] [/hooks/poststop] [/hooks/*/path] [/hooks/*/args] [/hooks/*/env] all kinds run, in their order, in their namespaces, with the state on standard input", async () => {
  const directory = join(e2e.directory, "all");
  const insideOf = (kind: Kind): boolean => kind === "createContainer" || kind === "startContainer";
  const hooks: Hooks = {};
  for (const kind of kinds) {
    hooks[kind] = [
      {
        ...recordingHook(directory, kind),
        args: ["name", "first", "second one"],
        env: ["PATH=/usr/bin:/bin", `KIND=${kind}`],
      },
    ];
  }
  const id = e2e.id();
  const bundle = bundleWithHooks(directory, hooks).probing("pid");
  await e2e.runtime.succeed(["create", "--bundle", bundle.hostPath, id]);
  // createContainer runs in the container's namespaces, with the paths of the host's; startContainer in the container.
  const order = () => readFileSync(join(directory, "order"), "utf8").trim().split("\n");
  // runc 1.1 runs poststart at create, crun 1.8 beside startContainer.
  const isExact = e2e.runtime.name === "runlet";
  if (isExact) expect(order()).toEqual(["prestart", "createRuntime", "createContainer"]);
  await e2e.runtime.succeed(["start", id]);
  await e2e.runtime.waitForStatus(id, "stopped");
  await e2e.runtime.succeed(["delete", id]);
  expect(isExact ? order() : order().sort()).toEqual(isExact ? [...kinds] : [...kinds].sort());

  const hostMounts = readFileSync(join(directory, "prestart.namespaces"), "utf8").split("\n")[0];
  for (const kind of kinds) {
    const state = JSON.parse(readFileSync(join(directory, `${kind}.state`), "utf8"));
    // crun 1.8 tells startContainer the bundle as the container sees it.
    const hostPath = isExact ? bundle.hostPath : expect.any(String);
    expect([kind, state]).toEqual([
      kind,
      expect.objectContaining({ id, bundle: hostPath, ociVersion: expect.any(String) }),
    ]);
    expect(readFileSync(join(directory, `${kind}.env`), "utf8")).toContain(`KIND=${kind}`);
    expect(readFileSync(join(directory, `${kind}.args`), "utf8")).toContain("second one");
    const namespace = readFileSync(join(directory, `${kind}.namespaces`), "utf8").split("\n")[0];
    // Each call of crun is in a mount namespace of its own here, see harness/command.ts.
    if (e2e.runtime.name !== "crun") expect([kind, namespace !== hostMounts]).toEqual([kind, insideOf(kind)]);
  }
  const statusOf = (kind: Kind) => JSON.parse(readFileSync(join(directory, `${kind}.state`), "utf8")).status;
  expect(statusOf("createRuntime")).toMatch(/^(creating|created)$/);
  if (isExact) expect(statusOf("poststart")).toBe("running");
  expect(statusOf("poststop")).toBe("stopped");
});

test("several of a kind run in their order", async () => {
  const directory = join(e2e.directory, "several");
  const hooks = { createRuntime: ["one", "two", "three"].map((name) => recordingHook(directory, name)) };
  await e2e.run(bundleWithHooks(directory, hooks).probing("pid"));
  expect(readFileSync(join(directory, "order"), "utf8").trim().split("\n")).toEqual(["one", "two", "three"]);
});

test("a hook's environment is its own: nothing of the caller's", { runtime: ["runlet", "runc"] }, async () => {
  const directory = join(e2e.directory, "environment");
  const hooks = { createRuntime: [{ ...recordingHook(directory, "createRuntime"), env: ["ONLY=this"] }] };
  const bundle = bundleWithHooks(directory, hooks).probing("pid");
  await e2e.runtime.succeed(["run", "--bundle", bundle.hostPath, e2e.id()], { env: { FROM_OUTSIDE: "leaked" } });
  const environment = readFileSync(join(directory, "createRuntime.env"), "utf8");
  expect(environment).toContain("ONLY=this");
  expect(environment).not.toContain("FROM_OUTSIDE");
});

test("a hook gets no descriptor but its three", { runtime: ["runlet"] }, async () => {
  const directory = join(e2e.directory, "descriptors");
  const inherited = new Set(readdirSync("/proc/self/fd").map((fd) => readLinkOrEmpty(`/proc/self/fd/${fd}`)));
  const hooks: Hooks = {
    createRuntime: [recordingHook(directory, "createRuntime")],
    createContainer: [recordingHook(directory, "createContainer")],
  };
  await e2e.run(bundleWithHooks(directory, hooks).probing("pid"));
  for (const name of ["createRuntime", "createContainer"]) {
    // What the tests' own caller left open is handed down by everybody; what the runtime opened is not in our list.
    const targets = readFileSync(join(directory, `${name}.fds`), "utf8")
      .trim()
      .split("\n");
    const known = [/^\/dev\/null$/, /^pipe:/, /\.(sh|state|fds|stdout|stderr)$/];
    const unknown = targets.filter(
      (target) => !inherited.has(target) && !known.some((pattern) => pattern.test(target)),
    );
    expect([name, unknown]).toEqual([name, []]);
  }
});

describe("failure", () => {
  for (const kind of ["prestart", "createRuntime", "createContainer"] as const) {
    test(`of ${kind} is an error of create, and nothing is left`, async () => {
      const directory = join(e2e.directory, `failing-${kind}`);
      const hooks: Hooks = {
        [kind]: [recordingHook(directory, "fine"), recordingHook(directory, "bad", "echo the reason >&2; exit 23")],
      };
      const id = e2e.id();
      const result = await e2e.runtime.invoke([
        "create",
        "--bundle",
        bundleWithHooks(directory, hooks).probing("pid").hostPath,
        id,
      ]);
      expect(result.status).toEqual(failureStatus);
      expect(result.status).not.toBe(0);
      if (e2e.runtime.name === "runlet") expect(result.stderr).toContain(`/hooks/${kind}/1`);
      if (e2e.runtime.name === "runlet") expect(result.stderr).toContain(`error running ${kind} hook #1`);
      expect((await e2e.runtime.invoke(["state", id])).status).toBe(1);
    });
  }

  test("of startContainer is an error of start", async () => {
    const directory = join(e2e.directory, "failing-start");
    const hooks: Hooks = { startContainer: [recordingHook(directory, "bad", "exit 5")] };
    const id = e2e.id();
    await e2e.runtime.succeed(["create", "--bundle", bundleWithHooks(directory, hooks).probing("pid").hostPath, id]);
    const result = await e2e.runtime.invoke(["start", id]);
    if (e2e.runtime.name === "runlet")
      expect([result.status, result.stderr]).toEqual([1, expect.stringContaining("/hooks/startContainer/0")]);
    await e2e.runtime.waitForStatus(id, "stopped");
  });

  test("of poststop is a warning, and the container is gone", { runtime: ["runlet"] }, async () => {
    const directory = join(e2e.directory, "failing-poststop");
    const hooks: Hooks = { poststop: [recordingHook(directory, "bad", "exit 9"), recordingHook(directory, "after")] };
    const id = e2e.id();
    await e2e.runtime.succeed(["create", "--bundle", bundleWithHooks(directory, hooks).probing("exit=0").hostPath, id]);
    await e2e.runtime.succeed(["start", id]);
    await e2e.runtime.waitForStatus(id, "stopped");
    const result = await e2e.runtime.invoke(["delete", id]);
    expect([result.status, result.stderr]).toEqual([0, expect.stringContaining("poststop")]);
    expect(readFileSync(join(directory, "order"), "utf8")).toContain("after");
  });

  test("by its timeout: it is killed, and create fails", async () => {
    const directory = join(e2e.directory, "slow");
    const hooks: Hooks = { createRuntime: [{ ...recordingHook(directory, "slow", "exec sleep 60"), timeout: 1 }] };
    const before = Date.now();
    const result = await e2e.runtime.invoke([
      "create",
      "--bundle",
      bundleWithHooks(directory, hooks).probing("pid").hostPath,
      e2e.id(),
    ]);
    expect(result.status).toEqual(failureStatus);
    expect(result.status).not.toBe(0);
    expect(Date.now() - before).toBeLessThan(20_000);
    await sleep(50);
  });

  test("of a hook that is absent names it", async () => {
    const hooks: Hooks = { createRuntime: [{ path: "/no/such/hook" }] };
    const result = await e2e.run(bundleWithHooks(e2e.directory, hooks).probing("pid"));
    expect(result.status).toEqual(failureStatus);
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain("/no/such/hook");
  });
});
