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

/** What a record may say beside that. */
export interface RecordParts {
  readonly intelRdt?: StateRecord["intelRdt"];
  readonly startOperations?: StateRecord["startOperations"];
  readonly ownsBundle?: boolean | undefined;
  readonly noNewKeyring?: boolean | undefined;
  readonly hasNotifySocket?: boolean | undefined;
}

const nothingToStart: StateRecord["startOperations"] = { firstIndex: 0, operations: [] };

/**
 * What is written about a container before it is made.
 *
 * @param streams - its standard streams.
 * @throws RunletError `ERR_RUNLET_USAGE` for a descriptor that is not open.
 */
export function newRecord(
  { id, loaded, cgroup, isRootless }: NewContainer,
  { fds, links }: Pick<StandardDescriptors, "fds" | "links">,
  more: RecordParts = {},
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
    annotations: spec.annotations,
    cgroup_paths: cgroup?.hostPaths ?? {},
    cgroup: cgroup?.toState() ?? null,
    intelRdt: more.intelRdt,
    startOperations: more.startOperations ?? nothingToStart,
    external_descriptors: links ?? linksOf(fds),
    ownsBundle: more.ownsBundle || undefined,
    noNewKeyring: more.noNewKeyring || undefined,
    hasNotifySocket: more.hasNotifySocket || undefined,
    config: spec,
  };
}

/** RFC 3339 with nine digits of a second, as runc prints it. */
function now(): string {
  return `${new Date().toISOString().slice(0, -1)}000000Z`;
}
