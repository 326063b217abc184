import { RunletError } from "@runlet/errors";
import type { MoveNetDevice } from "@runlet/plan";

/** Moves a device of the host into the network namespace of a process. @throws RunletError `ERR_RUNLET_UNSUPPORTED` */
export function moveNetDevice(_pid: number, { from, hostName }: MoveNetDevice): Promise<void> {
  return Promise.reject(
    new RunletError("ERR_RUNLET_UNSUPPORTED", `network devices cannot be moved into a container: ${hostName}`, {
      pointer: from,
    }),
  );
}
