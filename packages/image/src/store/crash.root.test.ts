import { execFile, execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { buildLayer, buildLayout } from "../../test/layout-builder.ts";
import { temporaryDirectory } from "../../test/temporary.ts";
import { LayoutSource } from "../layout/layout-source.ts";
import { ImageStore } from "./image-store.ts";

const require = createRequire(import.meta.url);
const bun = join(dirname(require.resolve("@oven/bun-linux-x64/package.json")), "bin/bun");
const worker = fileURLToPath(new URL("../../test/store-worker.ts", import.meta.url));

/** Every call by which the store changes anything, in the forms that runtimes use. */
const changes = [
  ...["rename", "renameat", "renameat2", "link", "linkat", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat"],
  ...["fsync", "syncfs", "fdatasync", "ftruncate", "fchmod", "flock", "mknodat", "fsetxattr", "utimensat", "symlinkat"],
];
/** More points of one call are spread. */
const pointsOfOneCall = 7;

function layout(name: string): string {
  const base = buildLayer({ path: "./" }, { path: "shared", content: "shared" }, { path: "d/a", content: "a" });
  const upper = buildLayer(
    { path: name, content: name.repeat(100_000) },
    { path: "d/.wh.a", content: "" },
    { path: "link", type: "symbolic-link", linkTarget: "shared" },
    { path: "linked", type: "hard-link", linkTarget: "shared" },
  );
  return buildLayout(temporaryDirectory(), { layers: [base, upper], config: { Cmd: [name] } }).hostPath;
}

function trace(options: readonly string[], arguments_: readonly string[]) {
  const command = [...options, "-f", "-qq", bun, "--conditions=@runlet/source", worker, ...arguments_];
  return spawnSync("strace", command, { encoding: "utf8", timeout: 60_000 });
}

/** How often any one thread makes each call. */
function countCalls(log: string): Map<string, number> {
  const byThread = new Map<string, number>();
  for (const line of log.split("\n")) {
    const match = /^(\d+) +(\w+)\(/.exec(line);
    if (match !== null) byThread.set(`${match[1]} ${match[2]}`, (byThread.get(`${match[1]} ${match[2]}`) ?? 0) + 1);
  }
  const counts = new Map<string, number>();
  for (const [key, count] of byThread) {
    const name = key.slice(key.indexOf(" ") + 1);
    counts.set(name, Math.max(counts.get(name) ?? 0, count));
  }
  return counts;
}

function spread(count: number): number[] {
  const points = Math.min(count, pointsOfOneCall);
  const at = (index: number) => Math.round(1 + (index * (count - 1)) / Math.max(1, points - 1));
  return [...new Set(Array.from({ length: points }, (_, index) => at(index)))];
}

/** What has a name is whole; what is called by a digest has it. */
async function checkStore(hostPath: string): Promise<void> {
  const store = await ImageStore.open({ hostPath });
  for (const { name } of await store.list()) {
    const image = await store.resolve(name);
    for (const blob of [image.manifest.config, ...image.manifest.layers])
      expect(await store.has(blob), name).toBe(true);
  }
  const blobs = join(hostPath, "blobs/sha256");
  for (const hex of existsSync(blobs) ? readdirSync(blobs) : [])
    expect(
      createHash("sha256")
        .update(readFileSync(join(blobs, hex)))
        .digest("hex"),
    ).toBe(hex);
  await store.usage();
}

async function checkUse(hostPath: string, layouts: readonly string[]): Promise<void> {
  const store = await ImageStore.open({ hostPath });
  for (const [index, name] of ["first", "second"].entries()) {
    await using source = await LayoutSource.open(layouts[index] ?? "");
    const layers = await store.unpack(await store.pull({ source, name }));
    const [base, upper] = layers.map((layer) => layer.hostPath);
    expect(readFileSync(join(upper ?? "", name), "utf8")).toBe(name.repeat(100_000));
    expect(readFileSync(join(base ?? "", "shared"), "utf8")).toBe("shared");
    expect(readdirSync(join(upper ?? "", "d"))).toEqual(["a"]);
    expect(readFileSync(join(upper ?? "", "linked"), "utf8")).toBe("shared");
  }
}

async function checkEmptied(hostPath: string): Promise<void> {
  const store = await ImageStore.open({ hostPath });
  for (const { name } of await store.list()) await store.remove(name);
  for (const { id } of await store.leases()) await store.release(id);
  await store.gc();
  const files = execFileSync("find", [hostPath, "-type", "f", "-printf", "%P\n"], { encoding: "utf8" });
  expect(files.trim().split("\n").sort()).toEqual(["index.json", "index.lock", "lock", "oci-layout", "store.json"]);
  expect(readdirSync(hostPath).filter((name) => ["partial", "staging"].includes(name))).toEqual([]);
}

test("several processes fill one store at once, and collect garbage between", { timeout: 120_000 }, async () => {
  const layouts = [layout("first"), layout("second")];
  const hostPath = join(temporaryDirectory(), "store");
  const runs = Array.from({ length: 4 }, async () => {
    const options = ["--conditions=@runlet/source", worker, hostPath, ...layouts, "share"];
    return await promisify(execFile)(bun, options);
  });
  for (const { stderr } of await Promise.all(runs)) expect(stderr).toBe("");
  await checkStore(hostPath);
  const store = await ImageStore.open({ hostPath });
  expect((await store.list()).map(({ name }) => name)).toEqual(
    ["first", "second"].map((name) => `docker.io/library/${name}:latest`),
  );
  expect((await store.usage()).layers).toHaveLength(3);
  expect(await store.gc()).toMatchObject({ blobs: [], layers: [], leftovers: 0 });
  await checkEmptied(hostPath);
});

test("killed at any change, the store is whole, goes on, and gc leaves nothing", { timeout: 300_000 }, async () => {
  const layouts = [layout("first"), layout("second")];
  const scratch = temporaryDirectory();
  // Whiteouts and attributes of any kind, and quick.
  execFileSync("mount", ["-t", "tmpfs", "tmpfs", scratch]);
  onTestFinished(() => void execFileSync("umount", [scratch]));
  const log = join(scratch, "log");
  const whole = trace(["-o", log, "-e", `trace=${changes.join(",")}`], [join(scratch, "whole"), ...layouts]);
  expect(whole.stderr).toBe("");
  expect(whole.status).toBe(0);
  const counts = countCalls(readFileSync(log, "utf8"));
  let kills = 0;
  let survivors = 0;
  for (const [call, count] of counts) {
    for (const point of spread(count)) {
      const hostPath = join(scratch, `${call}-${point}`);
      const inject = `inject=${call}:signal=SIGKILL:when=${point}`;
      const { signal } = trace(["-o", "/dev/null", "-e", `trace=${call}`, "-e", inject], [hostPath, ...layouts]);
      // Which thread makes which call is not the same each time: a point may not be reached.
      if (signal === "SIGKILL") kills++;
      else survivors++;
      try {
        await checkStore(hostPath);
        await (await ImageStore.open({ hostPath })).gc();
        await checkStore(hostPath);
        await checkUse(hostPath, layouts);
        await checkEmptied(hostPath);
      } catch (error) {
        throw new Error(`killed at ${call} ${point}`, { cause: error });
      }
    }
  }
  expect(kills).toBeGreaterThan(30);
  expect(survivors).toBeLessThan(kills / 2);
});
