import { constants } from "node:fs";
import { closeFd, openFlags, openPath, openPaths } from "@runlet/syscall";
import type { CgroupDescriptors } from "../cgroup.ts";
import { isGone, isRefusal } from "../cgroup-file.ts";
import { leafPath, type NestedPath } from "../parents.ts";

/** A container's group in one hierarchy. */
export interface V1Place {
  /** Controllers of the hierarchy; a single empty one is the unified hierarchy of a hybrid host. */
  readonly controllers: readonly string[];
  readonly nested: NestedPath;
}

/** What a rootless runtime does without. */
interface Refusals {
  readonly isRefused: (place: V1Place) => boolean;
  /** Whether a hierarchy that cannot be opened counts as refused, too. */
  readonly bearsRefusals: boolean;
}

/** Opens what a process needs to join a group in all its hierarchies. @throws SyscallError */
export function openDescriptors(places: readonly V1Place[], refusals: Refusals): CgroupDescriptors {
  const procs: { controller: string; fd: number }[] = openAtOnce(places, refusals);
  try {
    for (const place of places.slice(procs.length)) {
      procs.push({ controller: place.controllers[0] ?? "", fd: openMembers(place, refusals) });
    }
    return { procs, directoryFd: openUnified(places, refusals) };
  } catch (error) {
    for (const { fd } of procs) closeFd(fd);
    throw error;
  }
}

/** All of them, as they usually can be; none where they have to be looked at one by one. */
function openAtOnce(places: readonly V1Place[], { isRefused }: Refusals): { controller: string; fd: number }[] {
  if (places.some(isRefused)) return [];
  try {
    const fds = openPaths(places.map(membersPath), constants.O_WRONLY);
    return fds.map((fd, index) => ({ controller: places[index]?.controllers[0] ?? "", fd }));
  } catch {
    return [];
  }
}

/**
 * A process that has one thread and writes 0 to `tasks` moves itself alone, for which the kernel takes no lock over all
 * processes. `cgroup.procs` waits for that lock, 5 to 20 ms on a busy machine, but the unified hierarchy has no `tasks`.
 */
function membersPath({ controllers, nested }: V1Place): string {
  return `${leafPath(nested)}/${controllers[0] === "" ? "cgroup.procs" : "tasks"}`;
}

function openMembers(place: V1Place, { isRefused, bearsRefusals }: Refusals): number {
  if (isRefused(place)) return openPath("/dev/null", constants.O_WRONLY);
  try {
    return openPath(membersPath(place), constants.O_WRONLY);
  } catch (error) {
    if (bearsRefusals && (isGone(error) || isRefusal(error))) return openPath("/dev/null", constants.O_WRONLY);
    throw error;
  }
}

/** The directory in the unified hierarchy of a hybrid host, or null. */
function openUnified(places: readonly V1Place[], { isRefused, bearsRefusals }: Refusals): number | null {
  const place = places.find(({ controllers }) => controllers[0] === "");
  if (place === undefined || isRefused(place)) return null;
  try {
    return openPath(leafPath(place.nested), openFlags.O_PATH | constants.O_DIRECTORY);
  } catch (error) {
    if (bearsRefusals && (isGone(error) || isRefusal(error))) return null;
    throw error;
  }
}
