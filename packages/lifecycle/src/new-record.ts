import type { Cgroup } from "@runlet/cgroups";
import type { LoadedConfig } from "./config.ts";
import type { StateRecord } from "./state-record.ts";
import { linksOf, type StandardDescriptors } from "./stdio.ts";

/** What is to be made, by an init helper or by CRIU. */
export interface NewContainer {
  readonly id: string;
  readonly loaded: LoadedConfig;
  readonly cgroup: Cgroup | null;
  readonly isRootless: boolean;
}

/**
 * What is written about a container before it is made.
 *
 * @param streams - its standard streams.
 * @throws RunletError `ERR_RUNLET_USAGE` for a descriptor that is not open.
 */
export function newRecord(
  { id, loaded, cgroup, isRootless }: NewContainer,
  { fds, links }: Pick<StandardDescriptors, "fds" | "links">,
): StateRecord {
  const { spec } = loaded;
  return {
    id,
    version: 1,
    ociVersion: spec.ociVersion,
    init_process_pid: 0,
    init_process_start: 0,
    created: now(),
    bundle: loaded.bundleHostPath,
    rootfs: loaded.rootHostPath,
    ownerUid: process.geteuid?.() ?? 0,
    rootless: isRootless,
    ...(spec.annotations === undefined ? {} : { annotations: spec.annotations }),
    cgroup_paths: cgroup?.hostPaths ?? {},
    cgroup: cgroup?.toState() ?? null,
    startOperations: { firstIndex: 0, operations: [] },
    external_descriptors: links ?? linksOf(fds),
    config: spec,
  };
}

/** RFC 3339 with nine digits of a second, as runc prints it. */
function now(): string {
  return `${new Date().toISOString().slice(0, -1)}000000Z`;
}
