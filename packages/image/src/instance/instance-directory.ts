import { closeSync, constants, existsSync, mkdirSync, openSync, readdirSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { quote, RunletError } from "@runlet/errors";
import { removeTree } from "@runlet/rootfs";
import { atFlags, tryLock } from "@runlet/syscall";
import { diskBytesOf } from "../layers/disk-usage.ts";
import { lockPath } from "../store/file-lock.ts";
import type { CollectOptions, ImageStore } from "../store/image-store.ts";
import { hasCode, storeError } from "../store/store-error.ts";
import type { CollectionResult } from "../store/stored-image.ts";
import { currentBootId, readRecord } from "./instance-record.ts";

const directoryName = "instances";
const configName = "config.json";
/** Every store has it. */
const storeRecordName = "store.json";
const leasePrefix = "instance-";
const longestName = 80;
const lockTimeoutMs = 30_000;

/** A directory for an instance that is being made: nobody takes it for a leftover as long as it is locked. */
export interface NewInstance {
  /** Its name among the store's instances. */
  readonly name: string;
  readonly bundleHostPath: string;
  /** Ends the lock. */
  unlock(): void;
}

/** Name of the lease that keeps what an instance needs. */
export function leaseOf(name: string): string {
  return `${leasePrefix}${name}`;
}

/** A name for an instance: that of the container, as far as it can be one of a lease, and something that no other has. */
export function nameInstance(containerId: string): string {
  const random = Math.floor(Math.random() * 2 ** 40)
    .toString(16)
    .padStart(10, "0");
  return `${containerId.replace(/[^A-Za-z0-9_.-]/g, "_").slice(0, longestName)}.${random}`;
}

/**
 * Makes and locks the directory of a new instance.
 *
 * @throws RunletError `ERR_RUNLET_STORE`; `ERR_RUNLET_ABORTED` by the signal.
 */
export async function makeInstance(store: ImageStore, name: string, signal?: AbortSignal): Promise<NewInstance> {
  const bundleHostPath = join(store.hostPath, directoryName, name);
  const open = () => {
    try {
      mkdirSync(bundleHostPath, { recursive: true, mode: 0o700 });
      return openInstanceDirectory(bundleHostPath);
    } catch (error) {
      throw storeError(`make the instance ${quote(name)}`, error);
    }
  };
  // Whoever looks for leftovers may have come first, and removes what is empty.
  const fd = await lockPath(bundleHostPath, open, { subject: `the instance ${quote(name)}`, signal });
  let isLocked = true;
  const unlock = () => {
    if (isLocked) closeSync(fd);
    isLocked = false;
  };
  return { name, bundleHostPath, unlock };
}

function openInstanceDirectory(bundleHostPath: string): number {
  return openSync(bundleHostPath, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
}

/** The store that an instance is of; undefined for a directory that is none, there or gone. */
export function storePathIfInstance(bundleHostPath: string): string | undefined {
  const parent = dirname(resolve(bundleHostPath));
  const hostPath = dirname(parent);
  return basename(parent) === directoryName && existsSync(join(hostPath, storeRecordName)) ? hostPath : undefined;
}

/** As {@link storePathIfInstance}. @throws RunletError `ERR_RUNLET_USAGE` for a directory that is no instance. */
export function storePathOf(bundleHostPath: string): string {
  const hostPath = storePathIfInstance(bundleHostPath);
  if (hostPath !== undefined) return hostPath;
  throw new RunletError("ERR_RUNLET_USAGE", `${quote(bundleHostPath)} is no container of an image`, {
    hint: "`runlet run --image` makes such containers",
  });
}

/**
 * Removes an instance and its lease; none is no error. Waits for somebody who removes it too.
 *
 * @throws RunletError `ERR_RUNLET_USAGE`, `ERR_RUNLET_STORE`; `ERR_RUNLET_LOCKED` as long as it is being made.
 */
export async function removeInstance(store: ImageStore, bundleHostPath: string): Promise<void> {
  if (storePathOf(bundleHostPath) !== store.hostPath)
    throw new RunletError("ERR_RUNLET_USAGE", `${quote(bundleHostPath)} is of another store than ${quote(store.name)}`);
  const name = basename(bundleHostPath);
  let fd: number | undefined;
  try {
    const open = () => openInstanceDirectory(bundleHostPath);
    fd = await lockPath(bundleHostPath, open, { subject: `the instance ${quote(name)}`, timeoutMs: lockTimeoutMs });
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw storeError(`remove the instance ${quote(name)}`, error);
  }
  try {
    await removeLocked(store, bundleHostPath);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/**
 * The config.json goes first: what is left of an instance without one is nobody's, whatever comes between. The lease goes before
 * the directory: whoever waits for the lock may make one of the same name.
 */
async function removeLocked(store: ImageStore, bundleHostPath: string): Promise<void> {
  const name = basename(bundleHostPath);
  try {
    rmSync(join(bundleHostPath, configName), { force: true });
    await store.release(leaseOf(name));
    removeTree({ dirFd: atFlags.AT_FDCWD, path: bundleHostPath });
  } catch (error) {
    throw storeError(`remove the instance ${quote(name)}`, error);
  }
}

/**
 * Removes what interrupted commands have left: instances that never became whole, those whose container is gone and that were
 * made for nothing else or in this boot of the machine, and leases of instances that are gone. What a container of an earlier
 * boot has written stays, as does all that somebody is working on.
 *
 * @returns names of the instances.
 * @throws RunletError `ERR_RUNLET_STORE`
 */
export async function removeOrphanedInstances(store: ImageStore): Promise<string[]> {
  return (await sweepInstances(store, false)).names;
}

/**
 * Removes all that nothing needs: instances as {@link removeOrphanedInstances}, which count as leftovers, then what they and
 * nothing else kept.
 *
 * @throws RunletError `ERR_RUNLET_LOCKED` if others use the store all the time; `ERR_RUNLET_STORE`
 */
export async function collectStore(store: ImageStore, options: CollectOptions = {}): Promise<CollectionResult> {
  const orphans = await sweepInstances(store, options.isDryRun ?? false);
  const result = await store.gc({ ...options, goneLeases: orphans.leases });
  return {
    ...result,
    leftovers: result.leftovers + orphans.names.length,
    freedBytes: result.freedBytes + orphans.freedBytes,
  };
}

interface Orphans {
  readonly names: string[];
  /** Ids of the leases that go, with an instance or after it. */
  readonly leases: readonly string[];
  readonly freedBytes: number;
}

async function sweepInstances(store: ImageStore, isDryRun: boolean): Promise<Orphans> {
  const names: string[] = [];
  let freedBytes = 0;
  for (const name of instanceNames(store)) {
    const bytes = await sweepInstance(store, join(store.hostPath, directoryName, name), isDryRun);
    if (bytes === undefined) continue;
    names.push(name);
    freedBytes += bytes;
  }
  // Whoever makes an instance makes the directory before the lease, and who removes one, removes it after.
  const leases = await store.leases();
  const existing = new Set(instanceNames(store));
  for (const name of isDryRun ? names : []) existing.delete(name);
  const gone = leases.flatMap(({ id }) =>
    id.startsWith(leasePrefix) && !existing.has(id.slice(leasePrefix.length)) ? [id] : [],
  );
  if (!isDryRun) for (const id of gone) await store.release(id);
  return { names, leases: gone, freedBytes };
}

function instanceNames(store: ImageStore): string[] {
  try {
    return readdirSync(join(store.hostPath, directoryName)).sort();
  } catch (error) {
    if (hasCode(error, "ENOENT")) return [];
    throw storeError("list the store's instances", error);
  }
}

/** @returns bytes on disk of what goes; undefined for an instance that is in use, or that somebody is working on. */
async function sweepInstance(
  store: ImageStore,
  bundleHostPath: string,
  isDryRun: boolean,
): Promise<number | undefined> {
  let fd: number;
  try {
    fd = openInstanceDirectory(bundleHostPath);
  } catch {
    return undefined;
  }
  try {
    if (!tryLock(fd) || !isOrphaned(bundleHostPath)) return undefined;
    const bytes = diskBytesOf(bundleHostPath);
    if (!isDryRun) await removeLocked(store, bundleHostPath);
    return bytes;
  } finally {
    closeSync(fd);
  }
}

function isOrphaned(bundleHostPath: string): boolean {
  if (!existsSync(join(bundleHostPath, configName))) return true;
  const record = readRecord(bundleHostPath);
  if (record === undefined || existsSync(record.stateHostPath)) return record === undefined;
  return record.isEphemeral || record.bootId === currentBootId();
}
