import { closeSync, readSync } from "node:fs";
import { errnoMessage, quote, RunletError, SyscallError } from "@runlet/errors";
import type { Descriptor, Mount, Plan } from "@runlet/plan";
import { cloneTree, configureFilesystem, openFilesystem as fsopen, mapTreeIds, mountFilesystem } from "@runlet/syscall";
import { failureOf, recordOperation } from "./failure.ts";

type TreeDescriptor = Extract<Descriptor, { kind: "tree" }>;

/**
 * A detached clone of a tree of the host.
 *
 * @param fds - descriptors of the slots before.
 * @returns its descriptor, the caller's.
 * @throws RunletError `ERR_RUNLET_MOUNT`, `ERR_RUNLET_ROOTFS`
 */
export function openTree(descriptor: TreeDescriptor, fds: readonly number[]): number {
  const { hostPath, recursive, idmapSlot } = descriptor;
  let treeFd: number | undefined;
  try {
    treeFd = cloneTree(hostPath, recursive);
    const namespaceFd = idmapSlot == null ? undefined : fds[idmapSlot];
    if (namespaceFd !== undefined) mapTreeIds(treeFd, namespaceFd, descriptor.idmapRecursive ?? false);
    return treeFd;
  } catch (cause) {
    if (treeFd !== undefined) closeSync(treeFd);
    if (!(cause instanceof SyscallError)) throw cause;
    throw explainTree(descriptor, cause);
  }
}

function explainTree({ hostPath, from }: TreeDescriptor, cause: SyscallError): RunletError {
  const facts = { pointer: from, syscall: cause.syscall, errno: cause.code, cause };
  if (from === "/root/path") {
    const message = `the root filesystem ${quote(hostPath)} cannot be used: ${errnoMessage(cause.code)}`;
    return new RunletError("ERR_RUNLET_ROOTFS", message, facts);
  }
  if (cause.syscall === "open_tree") {
    return new RunletError("ERR_RUNLET_MOUNT", `the source ${quote(hostPath)} cannot be bound`, {
      ...facts,
      hint: "a relative source is relative to the bundle; it must exist on the host",
    });
  }
  return new RunletError("ERR_RUNLET_MOUNT", `the source ${quote(hostPath)} cannot be id-mapped`, {
    ...facts,
    hint: "not every file system can be id-mapped, and a tree can be only once",
  });
}

type FilesystemDescriptor = Extract<Descriptor, { kind: "filesystem" }>;

/** Which descriptor of the plan a file system is to be. */
interface FilesystemPlace {
  readonly plan: Plan;
  readonly slot: number;
  /** Descriptors of the slots before. */
  readonly fds: readonly number[];
}

/**
 * A detached mount of a new file system, with its id map.
 *
 * @returns its descriptor, the caller's.
 * @throws RunletError as the init helper's operation `mount` would.
 */
export function openFilesystem(descriptor: FilesystemDescriptor, place: FilesystemPlace): number {
  let filesystemFd: number | undefined;
  let treeFd: number | undefined;
  try {
    filesystemFd = fsopen(descriptor.type);
    if (descriptor.source !== null) configureFilesystem(filesystemFd, "source", descriptor.source);
    for (const { key, value } of descriptor.options) configureFilesystem(filesystemFd, key, value);
    treeFd = mountFilesystem(filesystemFd);
    const namespaceFd = place.fds[descriptor.idmapSlot];
    if (namespaceFd === undefined) throw new Error(`slot ${descriptor.idmapSlot} is not opened before ${place.slot}`);
    mapTreeIds(treeFd, namespaceFd, false);
    return treeFd;
  } catch (cause) {
    if (treeFd !== undefined) closeSync(treeFd);
    if (!(cause instanceof SyscallError)) throw cause;
    const text = filesystemFd === undefined ? (cause.path ?? "") : readKernelWords(filesystemFd);
    throw explainFilesystem(descriptor, place, { cause, text });
  } finally {
    if (filesystemFd !== undefined) closeSync(filesystemFd);
  }
}

function explainFilesystem(
  descriptor: FilesystemDescriptor,
  { plan, slot }: FilesystemPlace,
  { cause, text }: { readonly cause: SyscallError; readonly text: string },
): RunletError {
  const mount = plan.phases
    .flatMap(({ operations }) => operations)
    .find((operation) => operation.op === "mount" && "slot" in operation.source && operation.source.slot === slot);
  if (mount?.op !== "mount") throw new Error(`no operation mounts the descriptor ${slot}`);
  const operation: Mount = { ...mount, source: { ...descriptor, kind: "filesystem" } };
  const report = {
    call: cause.syscall,
    errno: -cause.errno,
    text,
    kind: "failed",
    index: 0,
    value: 0,
    fds: [],
  } as const;
  return failureOf(recordOperation(operation), report, { operation });
}

/** Why the kernel refused a file system, where it says so: lines that begin with `e `. @see fsopen(2) */
function readKernelWords(filesystemFd: number): string {
  const line = Buffer.alloc(256);
  try {
    const length = readSync(filesystemFd, line);
    return line.toString("utf8", line[1] === 0x20 ? 2 : 0, length);
  } catch {
    return "";
  }
}
