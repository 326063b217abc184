import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Hook, Hooks } from "@runlet/spec";
import { describe, expect } from "vitest";
import type { Bundle } from "../harness/bundle.ts";
import { Observation } from "../harness/observation.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;
const kinds = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"] as const;

let counter = 0;

/** A directory in which hooks note things, and a bundle that has it and a shell at the host's paths. */
function prepare(): { directory: string; bundle(hooks: Hooks, ...verbs: string[]): Bundle; notes(): string[] } {
  const directory = join(e2e.directory, `hooks${counter++}`);
  mkdirSync(directory);
  return {
    directory,
    notes: () => {
      const path = join(directory, "notes");
      return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
    },
    bundle: (hooks, ...verbs) =>
      e2e
        .bundle((config) => {
          config.root.readonly = false;
          config.hooks = hooks;
          for (const path of [directory, "/bin", "/lib", "/lib64", "/usr"].filter((path) => existsSync(path)))
            config.mounts.push({ destination: path, type: "bind", source: path, options: ["rbind"] });
        })
        .probing(...verbs),
  };
}

/** A hook that runs a script of the shell's, in a file of the host's. */
function scriptHook(directory: string, name: string, script: string): Hook {
  const path = join(directory, `${name}.sh`);
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return { path };
}

function noting(directory: string, name: string, script = ""): Hook {
  return scriptHook(directory, name, `echo ${name} >> ${directory}/notes\n${script}`);
}

test("[/hooks] files that they make have the caller's umask, and the container's from its own on", async () => {
  const { directory, bundle } = prepare();
  const hooks: Hooks = Object.fromEntries(
    kinds.map((kind) => [kind, [scriptHook(directory, kind, `umask > ${directory}/umask-${kind}`)]]),
  );
  const made = bundle(hooks);
  made.config.process.user.umask = 0o031;
  const [program = "", ...args] = e2e.runtime.argv(["run", "--bundle", made.probing("umask").hostPath, e2e.id()]);
  const output = execFileSync("sh", ["-c", 'umask 027; exec "$0" "$@"', program, ...args], { encoding: "utf8" });
  expect(new Observation(output).of("umask")).toBe(0o031);
  const umasks = kinds.map((kind) => [kind, readFileSync(join(directory, `umask-${kind}`), "utf8").trim()]);
  expect(Object.fromEntries(umasks)).toEqual({
    ...Object.fromEntries(kinds.map((kind) => [kind, "0027"])),
    startContainer: "0031",
  });
});

describe("[/hooks] the failure rules", () => {
  for (const kind of ["prestart", "createRuntime", "createContainer"] as const) {
    // crun 1.8 leaves poststop out then.
    test(`[/hooks/${kind}] fails: the rest of it does not run, and poststop does`, {
      runtime: ["runlet", "runc"],
    }, async () => {
      const { directory, bundle, notes } = prepare();
      const hooks: Hooks = {
        [kind]: [noting(directory, "first"), noting(directory, "bad", "exit 3"), noting(directory, "after")],
        startContainer: [noting(directory, "never")],
        poststop: [noting(directory, "poststop")],
      };
      const id = e2e.id();
      const result = await e2e.runtime.invoke(["create", "--bundle", bundle(hooks, "pid").hostPath, id]);
      expect(result.status).not.toBe(0);
      expect(notes()).toEqual(["first", "bad", "poststop"]);
      expect((await e2e.runtime.invoke(["state", id])).status).not.toBe(0);
    });
  }

  test("[/hooks/startContainer] fails: the program never runs, and poststop does with the deletion", async () => {
    const { directory, bundle, notes } = prepare();
    const hooks: Hooks = {
      startContainer: [noting(directory, "bad", "exit 3"), noting(directory, "after")],
      poststart: [noting(directory, "never")],
      poststop: [noting(directory, "poststop")],
    };
    const id = e2e.id();
    await e2e.runtime.succeed(["create", "--bundle", bundle(hooks, `write=${directory}/ran:x`).hostPath, id]);
    await e2e.runtime.invoke(["start", id]);
    await e2e.runtime.waitForStatus(id, "stopped");
    await e2e.runtime.succeed(["delete", id]);
    expect(existsSync(join(directory, "ran"))).toBe(false);
    // runc 1.1 runs poststart when the container is created.
    expect(notes().filter((note) => note !== "never")).toEqual(["bad", "poststop"]);
  });

  // The specification says so since 1.2.1; before, it wanted a warning.
  test("[/hooks/poststart] fails: an error of start, and the container is stopped", {
    runtime: ["runlet"],
  }, async () => {
    const { directory, bundle, notes } = prepare();
    const hooks: Hooks = {
      poststart: [noting(directory, "bad", "echo the reason >&2; exit 3"), noting(directory, "after")],
      poststop: [noting(directory, "poststop")],
    };
    const id = e2e.id();
    await e2e.runtime.succeed(["create", "--bundle", bundle(hooks, "wait").hostPath, id]);
    const result = await e2e.runtime.invoke(["start", id]);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("error running poststart hook #0");
    expect(result.stderr).toContain("the reason");
    expect((await e2e.runtime.state(id)).status).toBe("stopped");
    await e2e.runtime.succeed(["delete", id]);
    expect(notes()).toEqual(["bad", "poststop"]);
  });

  test("[/hooks/poststart] fails, when it has deleted the container: the failure is told", {
    runtime: ["runlet"],
  }, async () => {
    const { directory, bundle } = prepare();
    const id = e2e.id();
    const deletion = e2e.runtime.argv(["delete", "--force", id]).map((word) => `'${word}'`);
    const made = bundle({ poststart: [scriptHook(directory, "deleting", `${deletion.join(" ")}; exit 3`)] }, "wait");
    for (const detach of [[], ["--detach"]]) {
      const result = await e2e.runtime.invoke(["run", ...detach, "--bundle", made.hostPath, id]);
      expect([result.status, result.stderr]).toEqual([1, expect.stringContaining("error running poststart hook #0")]);
      expect(result.stderr).not.toContain("does not exist");
    }
  });

  test("[/hooks/poststop] run when nothing is left of the container but its name", {
    runtime: ["runlet"],
  }, async () => {
    const { directory, bundle, notes } = prepare();
    const id = e2e.id();
    const hooks: Hooks = {
      poststop: [
        noting(
          directory,
          "poststop",
          `find /sys/fs/cgroup -name ${id} >> ${directory}/notes; cat > ${directory}/state`,
        ),
      ],
    };
    await e2e.runtime.succeed(["run", "--bundle", bundle(hooks, "pid").hostPath, id]);
    expect(notes()).toEqual(["poststop"]);
    const state = JSON.parse(readFileSync(join(directory, "state"), "utf8")) as Record<string, unknown>;
    expect(state).toEqual({ ociVersion: "1.3.0", id, status: "stopped", bundle: expect.any(String) });
  });
});

describe("what a hook gets", () => {
  test("[/hooks] the state, with the status of the moment and the process as the host sees it", {
    runtime: ["runlet"],
  }, async () => {
    const { directory, bundle } = prepare();
    const hooks: Hooks = {};
    for (const kind of kinds) hooks[kind] = [scriptHook(directory, kind, `cat > ${directory}/${kind}.state`)];
    const made = bundle(hooks, "wait");
    made.config.annotations = { "org.example.key": "value" };
    made.write();
    const id = e2e.id();
    await e2e.runtime.succeed(["run", "--detach", "--bundle", made.hostPath, id]);
    const { pid } = await e2e.runtime.state(id);
    await e2e.runtime.succeed(["delete", "--force", id]);
    const statuses = { prestart: "creating", createRuntime: "creating", createContainer: "creating" };
    const expected = { ...statuses, startContainer: "created", poststart: "running" };
    for (const [kind, status] of Object.entries(expected)) {
      expect([kind, JSON.parse(readFileSync(join(directory, `${kind}.state`), "utf8"))]).toEqual([
        kind,
        { ociVersion: "1.3.0", id, status, pid, bundle: made.hostPath, annotations: { "org.example.key": "value" } },
      ]);
    }
  });

  test("[/hooks/*/args] as its argument list, the first included; without one, its path", async () => {
    const { directory, bundle } = prepare();
    const show = (name: string) => `tr '\\0' '\\n' < /proc/$$/cmdline > ${directory}/${name}`;
    const hooks: Hooks = {
      createRuntime: [
        { ...scriptHook(directory, "given", show("given.args")), args: ["argv0", "one", "two words"] },
        scriptHook(directory, "bare", show("bare.args")),
      ],
    };
    expect((await e2e.run(bundle(hooks, "pid"))).status).toBe(0);
    // The kernel puts the interpreter and the script's path in place of argv[0].
    expect(readFileSync(join(directory, "given.args"), "utf8").trim().split("\n").slice(2)).toEqual([
      "one",
      "two words",
    ]);
    expect(readFileSync(join(directory, "bare.args"), "utf8").trim().split("\n")).toEqual([
      "/bin/sh",
      join(directory, "bare.sh"),
    ]);
  });

  test("[/hooks/*/args] argv[0] is the config's where no interpreter replaces it", {
    runtime: ["runlet", "crun"],
  }, async () => {
    const { directory, bundle } = prepare();
    const hooks: Hooks = {
      createRuntime: [
        { path: "/bin/sh", args: ["myname", "-c", `tr '\\0' '\\n' < /proc/$$/cmdline > ${directory}/outer`] },
      ],
      createContainer: [
        {
          path: "/bin/sh",
          args: [
            "myname",
            "-c",
            `tr '\\0' '\\n' < /proc/self/cmdline > ${directory}/inner; echo $0 > ${directory}/name`,
          ],
        },
      ],
    };
    expect((await e2e.run(bundle(hooks, "pid"))).status).toBe(0);
    expect(readFileSync(join(directory, "outer"), "utf8").split("\n")[0]).toBe("myname");
    expect(readFileSync(join(directory, "name"), "utf8").trim()).toBe("myname");
  });

  for (const kind of ["createRuntime", "createContainer", "startContainer"] as const) {
    // A shell would add variables of its own.
    test(`[/hooks/*/env] ${kind}: exactly the config's`, { runtime: ["runlet"] }, async () => {
      const { directory, bundle } = prepare();
      const args = ["dd", "if=/proc/self/environ", `of=${directory}/environ`];
      const hooks: Hooks = { [kind]: [{ path: "/bin/dd", args, env: ["ONE=1", "EMPTY=", "A=b c=d"] }] };
      const result = await e2e.runtime.invoke(["run", "--bundle", bundle(hooks, "pid").hostPath, e2e.id()], {
        env: { FROM_OUTSIDE: "leaked" },
      });
      expect([result.status, result.stderr]).toEqual([0, expect.any(String)]);
      expect(readFileSync(join(directory, "environ"), "utf8").split("\0").filter(Boolean).sort()).toEqual(
        ["A=b c=d", "EMPTY=", "ONE=1"].sort(),
      );
    });
  }

  test("[/hooks/createContainer] stands at the container's root, startContainer inside it", {
    runtime: ["runlet", "runc"],
  }, async () => {
    const { directory, bundle } = prepare();
    const hooks: Hooks = {
      createContainer: [scriptHook(directory, "outside", `pwd > ${directory}/outside`)],
      startContainer: [scriptHook(directory, "inside", `pwd > ${directory}/inside`)],
    };
    const made = bundle(hooks, "pid");
    expect((await e2e.run(made)).status).toBe(0);
    expect(readFileSync(join(directory, "outside"), "utf8").trim()).toBe(made.rootfs);
    expect(readFileSync(join(directory, "inside"), "utf8").trim()).toBe("/");
  });
});

describe("[/hooks/*/timeout]", () => {
  for (const kind of ["createRuntime", "createContainer", "startContainer"] as const) {
    test(`[/hooks/*/timeout] ${kind}: it is killed, and that is a failure`, async () => {
      const { directory, bundle, notes } = prepare();
      const slow = { ...noting(directory, "slow", `exec sleep 30`), timeout: 1 };
      const startedMs = Date.now();
      const result = await e2e.run(bundle({ [kind]: [slow] }, "pid"));
      expect(result.status).not.toBe(0);
      expect(notes()).toEqual(["slow"]);
      expect(Date.now() - startedMs).toBeLessThan(15_000);
      if (e2e.runtime.name === "runlet") expect(result.stderr).toContain(`error running ${kind} hook #0`);
    });
  }

  test("[/hooks/*/timeout] one that ends in time is none", async () => {
    const { directory, bundle, notes } = prepare();
    const hook = { ...noting(directory, "fine"), timeout: 20 };
    expect(
      (await e2e.run(bundle({ createRuntime: [hook], createContainer: [hook], startContainer: [hook] }, "pid"))).status,
    ).toBe(0);
    expect(notes()).toEqual(["fine", "fine", "fine"]);
  });
});
