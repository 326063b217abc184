import type { StateRecord } from "../state-record.ts";
import { linksOf } from "../stdio.ts";
import type { RestoreRequest } from "./restore.ts";

/**
 * What is written about a container before it is restored.
 *
 * @param fds - its standard streams.
 */
export function restoredRecord(request: RestoreRequest, fds: readonly number[]): StateRecord {
  const { id, loaded, cgroup, isRootless } = request;
  const { spec } = loaded;
  return {
    id,
    version: 1,
    ociVersion: spec.ociVersion,
    init_process_pid: 0,
    init_process_start: 0,
    // RFC 3339 with nine digits of a second, as runc prints it.
    created: new Date().toISOString().replace("Z", "000000Z"),
    bundle: loaded.bundleHostPath,
    rootfs: loaded.rootHostPath,
    ownerUid: process.geteuid?.() ?? 0,
    rootless: isRootless,
    ...(spec.annotations === undefined ? {} : { annotations: spec.annotations }),
    cgroup_paths: cgroup?.hostPaths ?? {},
    cgroup: cgroup?.toState() ?? null,
    startOperations: { firstIndex: 0, operations: [] },
    external_descriptors: linksOf(fds),
    config: spec,
  };
}
