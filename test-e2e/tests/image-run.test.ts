import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commitInstance, ImageStore, listInstanceChanges, openInstance, removeOrphanedInstances } from "@runlet/image";
import { beforeAll, describe, expect } from "vitest";
import { addImage, openTestStore } from "../harness/image-store.ts";
import { Observation, parseMountinfo } from "../harness/observation.ts";
import { OrdinaryUser } from "../harness/ordinary-user.ts";
import { sleep } from "../harness/patience.ts";
import { Registry } from "../harness/registry.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite({ root: true, runtime: ["runlet"] });
const { test } = e2e;
const image = "example.org/app:1";

let storePath = "";

beforeAll(async () => {
  storePath = join(e2e.directory, "store");
  await openTestStore(storePath, {
    name: image,
    layers: [
      {
        "etc/": {},
        "etc/passwd": "root:x:0:0:root:/:/bin/sh\napp:x:1000:100:app:/home:/bin/sh\n",
        "etc/group": "root:x:0:\nusers:x:100:\nextra:x:2000:app\n",
        "etc/motd": "from the base",
        "home/": { uid: 1000, gid: 100 },
        "srv/gone": "x",
      },
      { "etc/motd": "from above", "srv/.wh.gone": "" },
    ],
    config: { Cmd: ["hostname"], Env: ["COLOR=blue"], WorkingDir: "/home" },
  });
});

/** Files of a store that are a container's: what must be gone with it. */
function containersFiles(): string[] {
  return ["instances", "leases"].flatMap((name) => {
    const directory = join(storePath, name);
    return existsSync(directory) ? readdirSync(directory) : [];
  });
}

/** Mounts of the host that have to do with this suite. */
function hostMounts(): string[] {
  return parseMountinfo(readFileSync("/proc/self/mountinfo", "utf8"))
    .filter(({ target, superOptions }) => [target, ...superOptions].some((text) => text.includes(e2e.tag)))
    .map(({ target, type }) => `${type} ${target}`);
}

function runImage(...args: readonly string[]) {
  return e2e.runtime.invoke(["run", "--store", storePath, "--image", ...args]);
}

async function observeImage(...args: readonly string[]): Promise<Observation> {
  const { status, stdout, stderr } = await runImage(...args);
  if (status !== 0) throw new Error(`exit status ${status}: ${stderr}${stdout}`);
  return new Observation(stdout);
}

describe("run --image", () => {
  test("runs what the image says, over its layers, and with --rm leaves nothing", async () => {
    const seen = await observeImage(image, "--rm", e2e.id());
    expect(seen.of("hostname")).toBe("runlet");
    const { of } = await observeImage(
      ...[image, "--rm", e2e.id(), "read=/etc/motd", "list=/srv", "env", "cwd", "ids", "stat=/home"],
    ).then((observation) => ({ of: (verb: string) => observation.of(verb) }));
    expect(of("read=/etc/motd")).toBe("from above");
    expect(of("list=/srv")).toEqual([]);
    expect(of("env")).toEqual(expect.arrayContaining(["COLOR=blue"]));
    expect(of("cwd")).toBe("/home");
    expect(of("ids")).toMatchObject({ uid: 0, gid: 0 });
    expect(of("stat=/home")).toMatchObject({ uid: 1000, gid: 100 });
    expect(containersFiles()).toEqual([]);
    expect(readdirSync(e2e.runtime.root)).toEqual([]);
  });

  test("takes what differs from options", async () => {
    const shared = join(e2e.directory, "shared");
    mkdirSync(shared);
    writeFileSync(join(shared, "file"), "of the host");
    const seen = await observeImage(
      ...[
        image,
        "--rm",
        "--env",
        "COLOR=red",
        "--cwd",
        "/etc",
        "--user",
        "app",
        "--hostname",
        "box",
        "--memory",
        "64m",
      ],
      ...["--mount", `${shared}:/shared:ro`, "--read-only", e2e.id()],
      ...["env", "cwd", "ids", "hostname", "read=/shared/file", "write=/etc/new:x", "write=/shared/new:x"],
    );
    expect(seen.of("env")).toEqual(expect.arrayContaining(["COLOR=red"]));
    expect(seen.of("cwd")).toBe("/etc");
    expect(seen.of("ids")).toMatchObject({ uid: 1000, gid: 100 });
    expect(seen.of("hostname")).toBe("box");
    expect(seen.of("read=/shared/file")).toBe("of the host");
    expect(seen.of("write=/etc/new:x")).toMatchObject({ errno: "EROFS" });
    expect(seen.of("write=/shared/new:x")).toMatchObject({ errno: "EROFS" });
  });

  test("gives a program in place of the image's, and hands its arguments on as they stand", async () => {
    const seen = await observeImage(image, "--rm", "--entrypoint", "/probe", "--entrypoint", "cwd", e2e.id(), "exit=0");
    expect(seen.of("cwd")).toBe("/home");
    const { status, stderr } = await runImage(image, "--rm", e2e.id(), "exit=7", "--rm", "--image");
    expect(`${status} ${stderr}`).toMatch(/^7 /);
  });

  test("without --rm keeps the container, with what it wrote, until it is deleted", async () => {
    const id = e2e.id();
    const first = await observeImage(image, id, "write=/kept:here", "remove=/etc/motd");
    expect(first.of("write=/kept:here")).toBe("ok");
    const state = await e2e.runtime.state(id);
    expect(state.status).toBe("stopped");
    const upper = join(String(state.bundle), "upper");
    expect(readFileSync(join(upper, "kept"), "utf8")).toBe("here");
    const again = await runImage(image, id);
    expect(again.status).toBe(1);
    expect(again.stderr).toContain("already exists");
    expect(containersFiles()).toHaveLength(2);
    await e2e.runtime.succeed(["delete", id]);
    expect(containersFiles()).toEqual([]);
  });

  test("keeps containers of one image apart", async () => {
    const [one, other] = [e2e.id(), e2e.id()];
    await observeImage(image, one, "write=/mine:one", "remove=/etc/motd");
    const seen = await observeImage(image, other, "read=/etc/motd", "stat=/mine");
    expect(seen.of("read=/etc/motd")).toBe("from above");
    expect(seen.of("stat=/mine")).toMatchObject({ errno: "ENOENT" });
    for (const id of [one, other]) await e2e.runtime.succeed(["delete", id]);
  });

  test("detached, and exec in it", async () => {
    const id = e2e.id();
    await e2e.runtime.succeed(["run", "--store", storePath, "--image", image, "--detach", id, "wait"]);
    expect(hostMounts()).toEqual([]);
    const { stdout } = await e2e.runtime.succeed(["exec", id, "/probe", "read=/etc/motd", "read=/proc/self/mountinfo"]);
    const seen = new Observation(stdout);
    expect(seen.of("read=/etc/motd")).toBe("from above");
    expect(seen.mountAt("/").type).toBe("overlay");
    await e2e.runtime.succeed(["delete", "--force", id]);
    expect(containersFiles()).toEqual([]);
  });

  test("survives the death of the command: the container is there, and delete takes all of it", async () => {
    const id = e2e.id();
    const command = e2e.runtime.start(["run", "--store", storePath, "--image", image, "--rm", id, "hostname", "wait"]);
    await command.waitForOutput("hostname");
    command.child.kill("SIGKILL");
    await command.ended;
    expect((await e2e.runtime.state(id)).status).toBe("running");
    expect(hostMounts()).toEqual([]);
    expect(containersFiles()).toHaveLength(2);
    await e2e.runtime.succeed(["delete", "--force", id]);
    expect(containersFiles()).toEqual([]);
  });

  test("killed at any moment leaves nothing that delete and gc do not find", async () => {
    const store = await openTestStore(storePath);
    for (let delayMs = 40; delayMs <= 240; delayMs += 40) {
      const id = e2e.id();
      const command = e2e.runtime.start(["run", "--store", storePath, "--image", image, "--rm", id, "wait"]);
      await sleep(delayMs);
      command.child.kill("SIGKILL");
      await command.ended;
      await e2e.runtime.succeed(["delete", "--force", id]);
      await removeOrphanedInstances(store);
      await store.gc();
      expect(containersFiles()).toEqual([]);
    }
  });

  test("of one layer, and of seventy", async () => {
    const store = await openTestStore(storePath);
    const many = Array.from({ length: 70 }, (_, index) => ({
      [`layer/${index}`]: String(index),
      "layer/last": `${index}`,
    }));
    await addImage(store, { name: "example.org/many:1", layers: many });
    const seen = await observeImage("example.org/many:1", "--rm", e2e.id(), "list=/layer", "read=/layer/last");
    expect(seen.of("list=/layer")).toHaveLength(71);
    expect(seen.of("read=/layer/last")).toBe("69");
  });
});

test("run --image fetches from a registry what the store has not, once; commit and push give it back", {
  program: "docker-registry",
}, async () => {
  await using registry = await Registry.start(join(e2e.directory, "registry"));
  const name = `${registry.host}/demo/app:1`;
  const fresh = join(e2e.directory, "fresh-store");
  const none = { XDG_CONFIG_HOME: "", XDG_RUNTIME_DIR: "/nonexistent", DOCKER_CONFIG: "", REGISTRY_AUTH_FILE: "" };
  const invoke = (...args: string[]) => e2e.runtime.succeed(args, { env: none });
  await invoke("image", "push", "--store", storePath, image, name);
  const id = e2e.id();
  const first = await invoke("run", "--store", fresh, "--image", name, id, "read=/etc/motd", "write=/etc/new:x");
  expect(new Observation(first.stdout).of("read=/etc/motd")).toBe("from above");
  const committed = `${registry.host}/demo/app:2`;
  await invoke("image", "commit", id, committed);
  await invoke("image", "push", "--store", fresh, committed);
  await invoke("delete", id);
  await invoke("run", "--store", fresh, "--image", name, "--pull", "never", "--rm", e2e.id());
  const again = await invoke("run", "--store", storePath, "--image", committed, "--rm", e2e.id(), "read=/etc/new");
  expect(new Observation(again.stdout).of("read=/etc/new")).toBe("x");
});

describe("what a container of an image changed", () => {
  test("is listed by image diff, and becomes an image by image commit: the same each time", async () => {
    const id = e2e.id();
    await observeImage(image, id, "write=/etc/new:1", "remove=/etc/motd");
    const { stdout } = await e2e.runtime.succeed(["image", "diff", `container:${id}`]);
    expect(stdout.split("\n")).toEqual(["C /etc", "D /etc/motd", "A /etc/new", ""]);
    const digests = [];
    for (const name of ["example.org/one:1", "example.org/two:1"]) {
      const made = await e2e.runtime.succeed(["image", "commit", "--created", "2026-01-02T03:04:05Z", id, name]);
      expect(made.stdout.trim()).toMatch(/^example\.org\/\w+:1@sha256:[0-9a-f]{64}$/);
      digests.push(made.stdout.trim().split("@")[1]);
    }
    expect(digests[0]).toBe(digests[1]);
    await e2e.runtime.succeed(["delete", id]);
    const seen = await observeImage("example.org/one:1", "--rm", e2e.id(), "list=/etc");
    expect(seen.of("list=/etc")).toEqual(["group", "new", "passwd"]);
    const between = await e2e.runtime.succeed(["image", "diff", "--store", storePath, image, "example.org/one:1"]);
    expect(between.stdout).toContain("D /etc/motd\nA /etc/new\n");
  });

  test("cannot be had of other containers, or at no time", async () => {
    const id = e2e.id();
    await e2e.runtime.succeed(["create", "--bundle", e2e.bundle().probing("wait").hostPath, id]);
    const other = await e2e.runtime.invoke(["image", "commit", id, "example.org/x:1"]);
    expect(`${other.status} ${other.stderr}`).toMatch(/^1 .*is no container of an image/);
    const time = await e2e.runtime.invoke(["image", "commit", "--created", "yesterday", id]);
    expect(`${time.status} ${time.stderr}`).toMatch(/^1 .*is no time/);
    const alone = await e2e.runtime.invoke(["image", "diff", "--store", storePath, image]);
    expect(`${alone.status} ${alone.stderr}`).toMatch(/^1 .*two images are compared/);
    await e2e.runtime.succeed(["delete", "--force", id]);
  });

  test("that a crash has left is taken by image gc", async () => {
    const store = await openTestStore(storePath);
    mkdirSync(join(storePath, "instances", "half.0000000000"), { recursive: true });
    await store.lease({ id: "instance-half.0000000000", layers: [], blobs: [] });
    await e2e.runtime.succeed(["image", "gc", "--store", storePath]);
    expect(containersFiles()).toEqual([]);
  });
});

describe("run --image refuses", () => {
  const cases: readonly [string, readonly string[], string][] = [
    ["an image that is not there", ["--image", "example.org/no:1", "--pull", "never"], "there is no image"],
    ["a bundle beside it", ["--image", image, "--bundle", "/tmp"], "leave --bundle and --config out"],
    ["--rm with --detach", ["--image", image, "--rm", "--detach"], "--rm waits for the end of the container"],
    ["--rm with --keep", ["--image", image, "--rm", "--keep"], "give one of them"],
    ["a user that is not in it", ["--image", image, "--user", "nobody"], "the image's user"],
    ["its options without it", ["--hostname", "x"], " is for containers of an image: give --image too"],
  ];
  for (const [name, options, message] of cases) {
    test(name, async () => {
      const { status, stderr } = await e2e.runtime.invoke(["run", "--store", storePath, ...options, e2e.id()]);
      expect(status).toBe(1);
      expect(stderr).toContain(message);
      expect(containersFiles()).toEqual([]);
      expect(readdirSync(e2e.runtime.root)).toEqual([]);
    });
  }
});

describe("an ordinary user", () => {
  /** Does something with the user's files as the user. */
  async function asUser<Result>(uid: number, action: () => Promise<Result>): Promise<Result> {
    process.setegid?.(uid);
    process.seteuid?.(uid);
    try {
      return await action();
    } finally {
      process.seteuid?.(0);
      process.setegid?.(0);
    }
  }

  test("has containers of images too, over layers of the user's own", async () => {
    const user = new OrdinaryUser({ suite: e2e });
    const hostPath = join(user.home, "store");
    const layers = [
      { "etc/motd": "base", "etc/two": "2", "usr/": {}, "usr/a": "" },
      { "usr/.wh..wh..opq": "", "usr/b": "" },
    ];
    await asUser(user.uid, () => openTestStore(hostPath, { name: image, layers }));
    const run = (...args: string[]) => user.invoke(["run", "--store", hostPath, "--image", image, ...args]);
    const ended = await run(
      "--rm",
      e2e.id(),
      "ids",
      "list=/usr",
      "read=/proc/self/mountinfo",
      "write=/new:1",
      "stat=/etc/motd",
    );
    expect(ended.stderr).toBe("");
    const seen = new Observation(ended.stdout);
    expect(seen.of("ids")).toMatchObject({ uid: 0, gid: 0 });
    expect(seen.of("list=/usr")).toEqual(["b"]);
    expect(seen.of("stat=/etc/motd")).toMatchObject({ uid: 0, gid: 0 });
    expect(seen.mountAt("/").superOptions).toContain("userxattr");
    expect(readdirSync(join(hostPath, "instances"))).toEqual([]);
    expect(readdirSync(join(hostPath, "leases"))).toEqual([]);

    const id = e2e.id();
    await run(id, "write=/etc/new:1", "remove=/etc/two", "mkdir=/opt");
    const { stdout } = await user.invoke(["state", id]);
    const { bundle } = JSON.parse(stdout) as { bundle: string };
    const made = await asUser(user.uid, async () => {
      const instance = await openInstance(bundle, (path) => ImageStore.open({ hostPath: path }));
      const changes = await listInstanceChanges(instance);
      const { layer } = await commitInstance(instance, { name: "example.org/of-a-user:1" });
      return { changes: changes.map(({ kind, containerPath }) => `${kind} ${containerPath}`), layer };
    });
    expect(made.changes).toEqual(["modified /etc", "added /etc/new", "deleted /etc/two", "added /opt"]);
    expect(made.layer).toBeDefined();
    expect((await user.invoke(["delete", id])).stderr).toBe("");
    expect(readdirSync(join(hostPath, "instances"))).toEqual([]);
    const arguments_ = ["--image", "example.org/of-a-user:1", "--rm", e2e.id(), "list=/etc"];
    const committed = await user.invoke(["run", "--store", hostPath, ...arguments_]);
    expect(new Observation(committed.stdout).of("list=/etc")).toEqual(["motd", "new"]);
  });
});

describe("bundle --from container:ID", () => {
  test("has the files that a container of an image sees, and runs as it did", async () => {
    const id = e2e.id();
    await observeImage(image, id, "write=/etc/added:new", "remove=/etc/motd");
    const bundle = join(e2e.directory, "from-container");
    await e2e.runtime.succeed(["bundle", "--from", `container:${id}`, bundle]);
    expect(
      execFileSync("find", [".", "-type", "f"], { cwd: join(bundle, "rootfs"), encoding: "utf8" })
        .split("\n")
        .sort(),
    ).toEqual(["", "./etc/added", "./etc/group", "./etc/passwd", "./probe"]);
    const config = JSON.parse(readFileSync(join(bundle, "config.json"), "utf8"));
    expect(config.process.args).toEqual(["/probe", "write=/etc/added:new", "remove=/etc/motd"]);
    expect(config.process.env).toContain("COLOR=blue");
    await e2e.runtime.succeed(["delete", id]);
    const { stdout } = await e2e.runtime.succeed(["run", "--bundle", bundle, e2e.id()]);
    expect(new Observation(stdout).of("remove=/etc/motd")).toMatchObject({
      errno: expect.stringMatching(/ENOENT|EROFS/),
    });
  });

  test("has those of any other container", async () => {
    const id = e2e.id();
    const source = e2e.bundle().add({ "etc/motd": "hello" }).probing("wait");
    await e2e.runtime.succeed(["create", "--bundle", source.hostPath, id]);
    const bundle = join(e2e.directory, "from-other");
    await e2e.runtime.succeed([
      "bundle",
      "--from",
      `container:${id}`,
      "--args",
      "/probe",
      "--args",
      "read=/etc/motd",
      bundle,
    ]);
    await e2e.runtime.succeed(["delete", "--force", id]);
    const { stdout } = await e2e.runtime.succeed(["run", "--bundle", bundle, e2e.id()]);
    expect(new Observation(stdout).of("read=/etc/motd")).toBe("hello");
  });

  test("that is not there is an error", async () => {
    const { status, stderr } = await e2e.runtime.invoke([
      "bundle",
      "--from",
      "container:none",
      join(e2e.directory, "none"),
    ]);
    expect(status).toBe(1);
    expect(stderr).toContain("does not exist");
  });
});
