import { closeSync, constants, openSync } from "node:fs";
import { openFlags } from "@runlet/syscall";
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

/** Opens what a process needs to join a group in all its hierarchies. @throws the error of `node:fs`. */
export function openDescriptors(places: readonly V1Place[], refusals: Refusals): CgroupDescriptors {
  const procs: { controller: string; fd: number }[] = [];
  try {
    for (const place of places) {
      procs.push({ controller: place.controllers[0] ?? "", fd: openMembers(place, refusals) });
    }
    return { procs, directoryFd: openUnified(places, refusals) };
  } catch (error) {
    for (const { fd } of procs) closeSync(fd);
    throw error;
  }
}

/**
 * A process that has one thread and writes 0 to `tasks` moves itself alone, for which the kernel takes no lock over all
 * processes. `cgroup.procs` waits for that lock, 5 to 20 ms on a busy machine, but the unified hierarchy has no `tasks`.
 */
function openMembers(place: V1Place, { isRefused, bearsRefusals }: Refusals): number {
  if (isRefused(place)) return openSync("/dev/null", constants.O_WRONLY);
  const file = place.controllers[0] === "" ? "cgroup.procs" : "tasks";
  try {
    return openSync(`${leafPath(place.nested)}/${file}`, constants.O_WRONLY);
  } catch (error) {
    if (bearsRefusals && (isGone(error) || isRefusal(error))) return openSync("/dev/null", constants.O_WRONLY);
    throw error;
  }
}

/** The directory in the unified hierarchy of a hybrid host, or null. */
function openUnified(places: readonly V1Place[], { isRefused, bearsRefusals }: Refusals): number | null {
  const place = places.find(({ controllers }) => controllers[0] === "");
  if (place === undefined || isRefused(place)) return null;
  try {
    return openSync(leafPath(place.nested), openFlags.O_PATH | constants.O_DIRECTORY);
  } catch (error) {
    if (bearsRefusals && (isGone(error) || isRefusal(error))) return null;
    throw error;
  }
}
