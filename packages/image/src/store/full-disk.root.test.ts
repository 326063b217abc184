import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, onTestFinished, test, vi } from "vitest";
import { buildLayer, buildLayout } from "../../test/layout-builder.ts";
import { temporaryDirectory } from "../../test/temporary.ts";
import { ArchiveTarget } from "../archive/archive-target.ts";
import { openImageFile } from "../archive/open-source.ts";
import { copyImage } from "../copy.ts";
import { LayoutSource } from "../layout/layout-source.ts";
import { ImageStore } from "./image-store.ts";

/** A file system of so many bytes. */
function smallDisk(sizeBytes: number): string {
  const hostPath = temporaryDirectory();
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeBytes}`, "tmpfs", hostPath]);
  onTestFinished(() => void execFileSync("umount", [hostPath]));
  return hostPath;
}

const large = buildLayer({ path: "large", content: randomBytes(3 << 20) });
const full = {
  code: "ERR_RUNLET_STORE",
  errno: "ENOSPC",
  hint: expect.stringContaining("free some space: `runlet image gc`"),
};

test("a disk that is full while an image is pulled: told, the store unharmed, and it goes on", async () => {
  const disk = smallDisk(5 << 20);
  const ballast = join(disk, "ballast");
  const store = await ImageStore.open({ hostPath: join(disk, "store") });
  const source = await LayoutSource.open(buildLayout(temporaryDirectory(), { layers: [large] }).hostPath);
  writeFileSync(ballast, Buffer.alloc(3 << 20));
  await expect(store.pull({ source, name: "test" })).rejects.toMatchObject(full);
  expect(await store.list()).toEqual([]);
  const { partialBytes } = await store.usage();
  expect(partialBytes).toBeGreaterThan(1 << 20);
  rmSync(ballast);
  const offsets: number[] = [];
  const counting = Object.assign(Object.create(source) as LayoutSource, {
    manifest: (reference?: string) => source.manifest(reference),
    blob: (...[descriptor, options]: Parameters<LayoutSource["blob"]>) => {
      offsets.push(options?.offsetBytes ?? 0);
      return source.blob(descriptor, options);
    },
  });
  await store.pull({ source: counting, name: "test" });
  expect(Math.max(...offsets)).toBeGreaterThan(1 << 20);
});

test("a disk that is full while a layer is unpacked", async () => {
  const disk = smallDisk(5 << 20);
  const store = await ImageStore.open({ hostPath: join(disk, "store") });
  const source = await LayoutSource.open(buildLayout(temporaryDirectory(), { layers: [large] }).hostPath);
  const image = await store.pull({ source, name: "test" });
  await expect(store.unpack(image)).rejects.toMatchObject(full);
  expect(await store.usage()).toMatchObject({ layers: [] });
  expect((await store.gc()).leftovers).toBe(0);
  execFileSync("mount", ["-o", `remount,size=${10 << 20}`, disk]);
  await store.unpack(image);
});

test("a disk that is full while an archive is written: nothing of it stays", async () => {
  const disk = smallDisk(2 << 20);
  const from = await LayoutSource.open(buildLayout(temporaryDirectory(), { layers: [large] }).hostPath);
  {
    await using to = await ArchiveTarget.create({ hostPath: join(disk, "a.tar"), format: "oci" });
    await expect(copyImage({ from, to })).rejects.toMatchObject(full);
  }
  expect(execFileSync("ls", ["-A", disk], { encoding: "utf8" })).toBe("");
});

test("a disk that is full while an archive is decompressed: told which, and nothing stays there", async () => {
  const disk = smallDisk(2 << 20);
  const archive = join(temporaryDirectory(), "a.tar.gz");
  writeFileSync(archive, gzipSync(large));
  vi.stubEnv("TMPDIR", disk);
  onTestFinished(() => void vi.unstubAllEnvs());
  await expect(openImageFile(archive)).rejects.toMatchObject({
    code: "ERR_RUNLET_IMAGE",
    errno: "ENOSPC",
    message: expect.stringContaining(disk),
    hint: expect.stringContaining("TMPDIR"),
  });
  expect(execFileSync("ls", ["-A", disk], { encoding: "utf8" })).toBe("");
});
