import { closeSync, constants, existsSync, mkdirSync, openSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mkdirat, openat, tryLock } from "@runlet/syscall";
import { expect, test, vi } from "vitest";
import { temporaryDirectory } from "../../test/temporary.ts";
import { ImageStore } from "../store/image-store.ts";
import { collectStore, leaseOf, makeInstance, removeInstance, removeOrphanedInstances } from "./instance-directory.ts";

async function makeStore(): Promise<{ store: ImageStore; instances: string }> {
  const store = await ImageStore.open({ hostPath: join(temporaryDirectory(), "store") });
  const instances = join(store.hostPath, "instances");
  mkdirSync(instances);
  return { store, instances };
}

/** Locks a directory as another process would. */
function lockDirectory(hostPath: string): { unlock: () => void } {
  const fd = openSync(hostPath, constants.O_RDONLY | constants.O_DIRECTORY);
  expect(tryLock(fd)).toBe(true);
  return { unlock: () => closeSync(fd) };
}

test("an instance that is being made is no leftover, and one that nobody works on is", async () => {
  const { store, instances } = await makeStore();
  const made = await makeInstance(store, "made");
  await store.lease({ id: leaseOf("made"), layers: [], blobs: [] });
  mkdirSync(join(instances, "left"));
  await store.lease({ id: leaseOf("left"), layers: [], blobs: [] });
  await store.lease({ id: leaseOf("gone"), layers: [], blobs: [] });
  await store.lease({ id: "other", layers: [], blobs: [] });
  expect(await removeOrphanedInstances(store)).toEqual(["left"]);
  expect(readdirSync(instances)).toEqual(["made"]);
  expect((await store.leases()).map(({ id }) => id)).toEqual(["instance-made", "other"]);
  made.unlock();
  expect(await removeOrphanedInstances(store)).toEqual(["made"]);
  expect((await store.leases()).map(({ id }) => id)).toEqual(["other"]);
});

test("collecting a store takes what is left of containers, and a dry run says so and takes nothing", async () => {
  const { store, instances } = await makeStore();
  const { digest } = await store.addBlob({ mediaType: "x/y", content: [Buffer.from("kept by the instance alone")] });
  await store.lease({ id: leaseOf("left"), layers: [], blobs: [digest] });
  mkdirSync(join(instances, "left/upper"), { recursive: true });
  writeFileSync(join(instances, "left/upper/file"), "x".repeat(100_000));
  const kept = await store.addBlob({ mediaType: "x/y", content: [Buffer.from("kept by one that is being made")] });
  const made = await makeInstance(store, "made");
  await store.lease({ id: leaseOf("made"), layers: [], blobs: [kept.digest] });
  const expected = { blobs: [digest], layers: [], leftovers: 1 };
  const told = await collectStore(store, { isDryRun: true });
  expect(told).toMatchObject(expected);
  expect(told.freedBytes).toBeGreaterThan(100_000);
  expect(readdirSync(instances)).toEqual(["left", "made"]);
  expect(await store.leases()).toHaveLength(2);
  expect(await collectStore(store)).toEqual(told);
  expect(readdirSync(instances)).toEqual(["made"]);
  expect(await collectStore(store)).toMatchObject({ blobs: [], leftovers: 0, freedBytes: 0 });
  made.unlock();
});

test("collecting takes what is left of a container, however deep it has nested directories", async () => {
  const { store, instances } = await makeStore();
  mkdirSync(join(instances, "left"));
  let fd = openSync(join(instances, "left"), constants.O_RDONLY);
  for (let depth = 0; depth < 5000; depth++) {
    mkdirat({ dirFd: fd, path: "d", mode: 0o755 });
    const inner = openat({ dirFd: fd, path: "d", flags: constants.O_RDONLY });
    closeSync(fd);
    fd = inner;
  }
  closeSync(fd);
  const told = await collectStore(store, { isDryRun: true });
  expect(told.leftovers).toBe(1);
  expect(await collectStore(store)).toEqual(told);
  expect(readdirSync(instances)).toEqual([]);
});

test("whoever makes an instance while its empty directory is taken away gets another one", async () => {
  const { store, instances } = await makeStore();
  const hostPath = join(instances, "name");
  mkdirSync(hostPath);
  const remover = lockDirectory(hostPath);
  const making = makeInstance(store, "name");
  // What waits for the lock has opened the directory by then.
  rmdirSync(hostPath);
  remover.unlock();
  const made = await making;
  expect(readdirSync(instances)).toEqual(["name"]);
  expect(await removeOrphanedInstances(store)).toEqual([]);
  made.unlock();
});

test("whoever waits to make an instance can be stopped", async () => {
  const { store, instances } = await makeStore();
  mkdirSync(join(instances, "name"));
  const { unlock } = lockDirectory(join(instances, "name"));
  await expect(makeInstance(store, "name", AbortSignal.abort())).rejects.toMatchObject({ code: "ERR_RUNLET_ABORTED" });
  unlock();
});

/** An instance that was made before the machine was booted, so that it stays when its container is gone. */
function putInstance(hostPath: string, record?: string): void {
  const digest = `sha256:${"0".repeat(64)}`;
  const sound = { version: 1, containerId: "c", stateHostPath: "/nonexistent", image: { digest }, layers: [] };
  mkdirSync(hostPath);
  writeFileSync(
    join(hostPath, "instance.json"),
    record ?? JSON.stringify({ ...sound, storage: "copy", isEphemeral: false, bootId: "before" }),
  );
  writeFileSync(join(hostPath, "config.json"), "{}");
}

test("an instance whose removal broke off is a leftover, whatever was written of it", async () => {
  const { store, instances } = await makeStore();
  const hostPath = join(instances, "name");
  putInstance(hostPath);
  expect(await removeOrphanedInstances(store)).toEqual([]);
  const release = vi.spyOn(store, "release").mockRejectedValueOnce(new Error("killed"));
  await expect(removeInstance(store, hostPath)).rejects.toThrow("killed");
  expect(release).toHaveBeenCalledOnce();
  expect(readdirSync(hostPath)).toEqual(["instance.json"]);
  expect(await removeOrphanedInstances(store)).toEqual(["name"]);
});

test("an instance of which nobody knows whose it is stops the collection, and the error says what to do", async () => {
  const { store, instances } = await makeStore();
  putInstance(join(instances, "name"), "");
  await expect(collectStore(store)).rejects.toMatchObject({
    code: "ERR_RUNLET_STORE",
    message: `"${join(instances, "name/instance.json")}" is damaged`,
    hint: expect.stringContaining("remove the directory"),
  });
  expect(readdirSync(instances)).toEqual(["name"]);
});

test("two that remove an instance do not meet in its files", async () => {
  const { store, instances } = await makeStore();
  const hostPath = join(instances, "name");
  mkdirSync(join(hostPath, "upper"), { recursive: true });
  writeFileSync(join(hostPath, "upper/file"), "x");
  await store.lease({ id: leaseOf("name"), layers: [], blobs: [] });
  const other = lockDirectory(hostPath);
  let isRemoved = false;
  const removing = removeInstance(store, hostPath).then(() => {
    isRemoved = true;
  });
  await store.usage();
  expect(isRemoved).toBe(false);
  expect(existsSync(join(hostPath, "upper/file"))).toBe(true);
  expect(await store.leases()).toHaveLength(1);
  other.unlock();
  await removing;
  expect(readdirSync(instances)).toEqual([]);
  expect(await store.leases()).toEqual([]);
  await removeInstance(store, hostPath);
});
