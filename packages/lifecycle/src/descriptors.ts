import { constants } from "node:fs";
import type { CgroupDescriptors } from "@runlet/cgroups";
import { errnoMessage, quote, RunletError } from "@runlet/errors";
import type { Descriptor, Plan } from "@runlet/plan";
import { closeFds, openFlags, openPath } from "@runlet/syscall";
import { openMappedNamespace } from "./mapped-namespace.ts";
import { openFilesystem, openTree } from "./mount-tree.ts";

/** What the descriptors of a plan are opened from. */
export interface DescriptorSources {
  readonly plan: Plan;
  /** The listening start socket, which stays the caller's; null for a process that is not waited for. */
  readonly startSocketFd: number | null;
  /** `cgroup.procs` of each hierarchy; they stay the caller's. */
  readonly cgroup: CgroupDescriptors | null;
}

/** The plan's descriptors in the order of their slots. Disposing closes those that were opened for it. */
export class OpenedDescriptors implements Disposable {
  readonly fds: number[] = [];
  readonly #opened: number[] = [];

  /**
   * Opens the descriptors that a plan hands over to the helper.
   *
   * @returns a promise where one takes time.
   * @throws RunletError with the pointer of the entry that a descriptor is for.
   */
  open(sources: DescriptorSources): Promise<void> | undefined {
    const { descriptors } = sources.plan;
    if (descriptors.some(({ kind }) => kind === "idmap")) return this.#openInTurn(descriptors, sources);
    for (const descriptor of descriptors) if (descriptor.kind !== "idmap") this.#open(descriptor, sources);
    return undefined;
  }

  /** An id map takes a process. */
  async #openInTurn(descriptors: readonly Descriptor[], sources: DescriptorSources): Promise<void> {
    for (const descriptor of descriptors) {
      if (descriptor.kind === "idmap") this.#add(descriptor, await openMappedNamespace(descriptor));
      else this.#open(descriptor, sources);
    }
  }

  #open(descriptor: Exclude<Descriptor, { kind: "idmap" }>, sources: DescriptorSources): void {
    this.#add(descriptor, open(descriptor, sources, this.fds));
  }

  #add({ kind }: Descriptor, fd: number): void {
    if (kind !== "startSocket" && kind !== "cgroupProcs") this.#opened.push(fd);
    this.fds.push(fd);
  }

  [Symbol.dispose](): void {
    closeFds(this.#opened.splice(0));
  }
}

/** @returns one that is to be closed, but for the start socket and those of the control group. */
function open(
  descriptor: Exclude<Descriptor, { kind: "idmap" }>,
  sources: DescriptorSources,
  fds: readonly number[],
): number {
  switch (descriptor.kind) {
    case "startSocket":
      if (sources.startSocketFd === null) throw new Error("no start socket");
      return sources.startSocketFd;
    case "root":
      return openRoot(descriptor);
    case "cgroupProcs": {
      const found = sources.cgroup?.procs.find(({ controller }) => controller === descriptor.controller);
      if (found === undefined) throw new Error(`no cgroup.procs for the controller "${descriptor.controller}"`);
      return found.fd;
    }
    case "namespace":
      return openNamespace(descriptor);
    case "tree":
      return openTree(descriptor, fds);
    case "filesystem":
      return openFilesystem(descriptor, { plan: sources.plan, slot: fds.length, fds });
  }
}

function openNamespace({ hostPath, type, from }: Extract<Descriptor, { kind: "namespace" }>): number {
  try {
    return openPath(hostPath, constants.O_RDONLY);
  } catch (cause) {
    const errno = String((cause as NodeJS.ErrnoException).code);
    throw new RunletError("ERR_RUNLET_NAMESPACE", `the ${type} namespace ${quote(hostPath)}: ${errnoMessage(errno)}`, {
      pointer: `${from}/path`.replace("/path/path", "/path"),
      syscall: "open",
      errno,
      hint: "the path must name a namespace, as /proc/PID/ns/… or a bind mount of one does",
      cause,
    });
  }
}

function openRoot({ hostPath, from }: Extract<Descriptor, { kind: "root" }>): number {
  try {
    return openPath(hostPath, openFlags.O_PATH | openFlags.O_DIRECTORY);
  } catch (cause) {
    const errno = String((cause as NodeJS.ErrnoException).code);
    throw new RunletError("ERR_RUNLET_ROOTFS", `the root ${quote(hostPath)} of the container: ${errnoMessage(errno)}`, {
      pointer: from,
      syscall: "open",
      errno,
      cause,
    });
  }
}
