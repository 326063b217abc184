import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import {
  commitInstance,
  ImageBundles,
  ImageStore,
  listInstanceChanges,
  openInstance,
  removeInstance,
  removeOrphanedInstances,
} from "@runlet/image";
import { type Container, Runtime } from "@runlet/lifecycle";
import { beforeAll, describe, expect } from "vitest";
import { addImage, openTestStore } from "../harness/image-store.ts";
import { findLeaks } from "../harness/leaks.ts";
import { Observation } from "../harness/observation.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite({ root: true, runtime: ["runlet"] });
const { test } = e2e;
const image = "example.org/app:1";

let store: ImageStore;
let runtime: Runtime;

beforeAll(async () => {
  store = await openTestStore(join(e2e.directory, "store"), {
    name: image,
    layers: [
      { "dev/": {}, "proc/": {}, "sys/": {}, "etc/motd": "base", "usr/big": "x".repeat(1 << 20) },
      { "etc/two": "2" },
    ],
  });
  runtime = new Runtime({
    root: join(e2e.directory, "library-state"),
    images: new ImageBundles({ store, pull: "never" }),
  });
});

function instances(): string[] {
  const directory = join(store.hostPath, "instances");
  return existsSync(directory) ? readdirSync(directory) : [];
}

/** Bytes on disk of what lies below a directory, as du(1) counts. */
function diskBytes(hostPath: string): number {
  return Number(execFileSync("du", ["--summarize", "--block-size=1", hostPath], { encoding: "utf8" }).split("\t")[0]);
}

/** Runs a container that makes changes, and keeps it. */
async function changed(...verbs: readonly string[]): Promise<Container> {
  const container = await runtime.create(e2e.id(), { image, args: verbs, stdio: "null" });
  await container.start();
  await container.wait();
  return container;
}

async function instanceOf(container: Container) {
  const { bundle } = await container.state();
  return await openInstance(bundle, (hostPath) => ImageStore.open({ hostPath }));
}

describe("runtime.run", () => {
  test("runs an image from begin to end, and nothing is left", async () => {
    const { stdout, stderr, exitCode } = await runtime.run({
      image,
      args: ["read=/etc/motd", "stderr=aside", "exit=4"],
    });
    expect(new Observation(String(stdout)).of("read=/etc/motd")).toBe("base");
    expect(String(stderr)).toBe("aside\n");
    expect(exitCode).toBe(4);
    expect(instances()).toEqual([]);
    expect(await store.leases()).toEqual([]);
    expect(await runtime.list()).toEqual([]);
  });

  test("takes input, and a bundle as well as an image", async () => {
    const { stdout } = await runtime.run({ image, args: ["input"], input: "to the container" });
    expect(new Observation(String(stdout)).of("input")).toBe("to the container");
    const bundle = e2e.bundle().probing("hostname").hostPath;
    const { stdout: other } = await runtime.run({ bundle });
    expect(new Observation(String(other)).of("hostname")).toBe("runlet");
    expect(existsSync(bundle)).toBe(true);
  });

  test("ends a container that writes more than is wanted", async () => {
    const endless = { image, args: ["read=/usr/big", "read=/usr/big", "wait"], maxOutputBytes: 1000 };
    await expect(runtime.run(endless)).rejects.toMatchObject({ code: "ERR_RUNLET_USAGE" });
    expect(instances()).toEqual([]);
  });

  test("leaves nothing of a container that cannot start, or of an image that is not there", async () => {
    await expect(runtime.run({ image, entrypoint: ["/missing"] })).rejects.toMatchObject({ code: "ERR_RUNLET_EXEC" });
    await expect(runtime.run({ image: "example.org/none:1" })).rejects.toMatchObject({ code: "ERR_RUNLET_IMAGE" });
    await expect(new Runtime().run({ image })).rejects.toMatchObject({ code: "ERR_RUNLET_USAGE" });
    const mounts = [{ destination: "/x", type: "nosuchfs", source: "none" }];
    await expect(runtime.run({ image, mounts })).rejects.toMatchObject({ code: "ERR_RUNLET_MOUNT" });
    expect(instances()).toEqual([]);
    expect(await store.leases()).toEqual([]);
  });
});

describe("many containers of one image", () => {
  test("500 at once: one tree, 500 upper directories that are empty, no mount on the host, and nothing left", async () => {
    const count = 500;
    const treeBytes = diskBytes(join(store.hostPath, "layers"));
    const containers: Container[] = [];
    let instanceBytes = 0;
    let createdMs = 0;
    try {
      createdMs = await createMany(containers, count);
      expect(containers).toHaveLength(count);
      expect(instances()).toHaveLength(count);
      for (const name of instances()) expect(readdirSync(join(store.hostPath, "instances", name, "upper"))).toEqual([]);
      instanceBytes = diskBytes(join(store.hostPath, "instances"));
      expect(diskBytes(join(store.hostPath, "layers"))).toBe(treeBytes);
      // Two small files and five directories each, whatever the image's size.
      expect(instanceBytes / count).toBeLessThan(64 << 10);
      expect(findLeaks(e2e.tag).filter((leak) => leak.startsWith("mount"))).toEqual([]);
      await Promise.all(containers.slice(0, 20).map((container) => container.start()));
    } finally {
      await Promise.all(containers.map((container) => container.delete({ force: true })));
    }
    expect(instances()).toEqual([]);
    expect(await store.leases()).toEqual([]);
    expect(findLeaks(e2e.tag)).toEqual([]);
    process.stderr.write(
      `${count} containers in ${createdMs} ms: one tree of ${treeBytes >> 10} KiB, and ${instanceBytes >> 10} KiB for all else ` +
        `(${Math.round(instanceBytes / count / 1024)} KiB each); as copies of the tree ${(treeBytes * count) >> 20} MiB\n`,
    );
  });
});

/** Creates containers, eight at a time, as long as there is time to delete them too. @returns milliseconds. */
async function createMany(containers: Container[], count: number): Promise<number> {
  const begin = Date.now();
  const deadline = begin + 75_000;
  let next = 0;
  const create = async () => {
    while (next < count && Date.now() < deadline) {
      const args = [`write=/mine:${next++}`, "wait"];
      containers.push(await runtime.create(e2e.id(), { image, ephemeral: true, args, stdio: "null" }));
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: 8 }, create));
  for (const result of ended) if (result.status === "rejected") throw result.reason;
  return Date.now() - begin;
}

describe("what a container changed", () => {
  test("is listed, without what was made for mounts", async () => {
    await using container = await changed(
      "write=/etc/new:1",
      "remove=/etc/two",
      "mkdir=/opt",
      "overwrite=/etc/motd:BASE",
    );
    const changes = await listInstanceChanges(await instanceOf(container));
    expect(changes.map(({ kind, containerPath }) => `${kind} ${containerPath}`)).toEqual([
      "modified /",
      "modified /etc",
      "modified /etc/motd",
      "added /etc/new",
      "deleted /etc/two",
      "added /opt",
    ]);
  });

  test("becomes a layer: the same changes, the same digest", async () => {
    const created = new Date("2020-01-02T03:04:05Z");
    const digests: (string | undefined)[] = [];
    for (let attempt = 0; attempt < 2; attempt++) {
      await using container = await changed("write=/etc/new:1", "remove=/etc/two", "mkdir=/opt");
      const { layer } = await commitInstance(await instanceOf(container), { created });
      digests.push(layer?.diffId, layer?.descriptor.digest);
    }
    expect(digests[0]).toBeDefined();
    expect(digests.slice(2)).toEqual(digests.slice(0, 2));
  });

  test("runs as an image of its own, and its image is as it was", async () => {
    await using container = await changed("write=/etc/motd:x", "remove=/etc/two");
    const name = "example.org/committed:1";
    const config = { Cmd: ["list=/etc"] };
    const made = await commitInstance(await instanceOf(container), { name, author: "me", comment: "why", config });
    expect(made.configuration.history?.at(-1)).toMatchObject({ author: "me", comment: "why" });
    const { stdout } = await runtime.run({ image: name });
    expect(new Observation(String(stdout)).of("list=/etc")).toEqual(["motd"]);
    const base = await runtime.run({ image, args: ["list=/etc"] });
    expect(new Observation(String(base.stdout)).of("list=/etc")).toEqual(["motd", "two"]);
    await store.remove(name);
  });

  test("is nothing for a container that only read", async () => {
    await using container = await changed("read=/etc/motd");
    const instance = await instanceOf(container);
    expect(await listInstanceChanges(instance)).toEqual([]);
    const { layer, manifest, configuration } = await commitInstance(instance);
    expect(layer).toBeUndefined();
    expect(manifest.layers).toHaveLength(2);
    expect(configuration.history?.at(-1)).toMatchObject({ empty_layer: true });
  });

  test("is what umoci unpacks and skopeo knows", { program: "umoci" }, async () => {
    const name = "example.org/foreign:1";
    await using container = await runtime.create(e2e.id(), { image, args: ["waitFile=/go"], stdio: "null" });
    await container.start();
    const root = `/proc/${container.pid}/root`;
    const script = [
      "mkdir -m 1777 new && echo content > new/file && ln new/file new/second && ln -s ../etc/motd new/link",
      "chmod 4755 new/file && setfattr -n user.note -v value new/file && mkfifo -m 620 new/fifo",
      "truncate -s 64M new/sparse && printf end >> new/sparse && rm -r usr && mkdir usr && chown 12:34 usr",
      "rm etc/two && mkdir etc/two && touch etc/two/x 'new/with blank' && mknod new/null c 1 3",
    ].join(" && ");
    execFileSync("sh", ["-ec", script], { cwd: root, stdio: "pipe" });
    const instance = await instanceOf(container);
    await commitInstance(instance, { name });
    await container.delete({ force: true });

    const layout = join(e2e.directory, "layout");
    execFileSync("cp", ["--archive", store.hostPath, layout]);
    const inspected = execFileSync("skopeo", ["inspect", "--raw", `oci:${layout}:${name}`], { encoding: "utf8" });
    expect(JSON.parse(inspected).layers).toHaveLength(3);

    const bundle = join(e2e.directory, "umoci");
    execFileSync("umoci", ["unpack", "--image", `${layout}:${name}`, bundle]);
    const expected = join(e2e.directory, "expected");
    mkdirSync(expected);
    execFileSync(
      "sh",
      ["-ec", `cp -a ${join(e2e.directory, "base")}/. . && ${script} && rm -rf dev proc sys && mkdir dev proc sys`],
      {
        cwd: await baseTree(expected),
      },
    );
    expect(describeTree(join(bundle, "rootfs"))).toEqual(describeTree(expected));
  });
});

/** The image's own files, unpacked by umoci, at `base`. */
async function baseTree(cwd: string): Promise<string> {
  const layout = join(e2e.directory, "layout");
  const bundle = join(e2e.directory, "base-bundle");
  execFileSync("umoci", ["unpack", "--image", `${layout}:${image}`, bundle]);
  execFileSync("mv", [join(bundle, "rootfs"), join(e2e.directory, "base")]);
  rmSync(bundle, { recursive: true });
  return cwd;
}

/** Type, mode, owner, links, size, attributes and content of each file: by find(1), getfattr(1) and sha256sum(1). */
function describeTree(directory: string): string {
  const script =
    "find . -printf '%p %y %m %U:%G %n %l ' -a \\( -type f -printf '%s\\n' -o -printf '\\n' \\) | sort; " +
    "find . -type f | sort | xargs -d '\\n' sha256sum; getfattr -R -d . | grep -v '^$' | sort";
  return execFileSync("sh", ["-c", script], { cwd: directory, encoding: "utf8" });
}

/** As if the creator of a container had ended before it was written down: an instance whose container is not there. */
async function abandoned(edit: (record: object) => object = (record) => record): Promise<string> {
  const container = await changed("write=/data:1");
  const { bundle } = await container.state();
  const aside = join(e2e.directory, "aside");
  execFileSync("cp", ["--archive", bundle, aside]);
  await container.delete();
  execFileSync("mv", [aside, bundle]);
  await store.lease({ id: `instance-${basename(bundle)}`, layers: [], blobs: [] });
  const path = join(bundle, "instance.json");
  writeFileSync(path, JSON.stringify(edit(JSON.parse(readFileSync(path, "utf8")))));
  return bundle;
}

describe("what a crash leaves", () => {
  test("is found: half-made instances, those whose container is gone, leases of none", async () => {
    const bundle = await abandoned();
    const half = join(store.hostPath, "instances", "half.0000000000");
    mkdirSync(half);
    await store.lease({ id: "instance-gone.0000000000", layers: [], blobs: [] });
    await using other = await changed("hostname");
    const kept = (await other.state()).bundle;
    expect(await removeOrphanedInstances(store)).toEqual([basename(bundle), basename(half)].sort());
    expect([existsSync(bundle), existsSync(half), existsSync(kept)]).toEqual([false, false, true]);
    expect((await store.leases()).map(({ id }) => id)).toEqual([`instance-${basename(kept)}`]);
  });

  test("stays if it is of an earlier boot, unless it was of no use without the container", async () => {
    const bundle = await abandoned((record) => ({ ...record, bootId: "earlier" }));
    const ephemeral = await abandoned((record) => ({ ...record, bootId: "earlier", isEphemeral: true }));
    expect(await removeOrphanedInstances(store)).toEqual([basename(ephemeral)]);
    expect(readFileSync(join(bundle, "upper/data"), "utf8")).toBe("1");
    await removeInstance(store, bundle);
    expect(instances()).toEqual([]);
  });

  test("is no layer that a container needs: gc keeps those", async () => {
    await addImage(store, { name: "example.org/short:1", layers: [{ "etc/short": "1" }] });
    await using container = await runtime.create(e2e.id(), { image: "example.org/short:1", args: ["read=/etc/short"] });
    await store.remove("example.org/short:1");
    await store.gc();
    const output = (async () => {
      let text = "";
      for await (const chunk of container.stdout.setEncoding("utf8")) text += chunk;
      return text;
    })();
    await container.start();
    await container.wait();
    expect(new Observation(await output).of("read=/etc/short")).toBe("1");
    expect(await listInstanceChanges(await instanceOf(container))).toEqual([]);
  });
});

describe("a copy, where an overlay cannot be", () => {
  test("has the same files, changes and layer", async () => {
    const notes: string[] = [];
    const copies = new Runtime({
      root: join(e2e.directory, "copy-state"),
      images: new ImageBundles({ store, pull: "never", storage: "copy", onNote: (note) => notes.push(note) }),
    });
    const container = await copies.create(e2e.id(), {
      image,
      args: ["read=/etc/two", "write=/etc/new:1", "remove=/etc/two", "read=/proc/self/mountinfo"],
    });
    try {
      await container.start();
      await container.wait();
      const instance = await instanceOf(container);
      expect(instance.storage).toBe("copy");
      const changes = await listInstanceChanges(instance);
      expect(changes.map(({ kind, containerPath }) => `${kind} ${containerPath}`)).toEqual([
        "added /etc/new",
        "deleted /etc/two",
      ]);
    } finally {
      await container.delete({ force: true });
    }
    expect(instances()).toEqual([]);
  });
});
