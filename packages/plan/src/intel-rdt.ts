import type { Context } from "./context.ts";
import type { CreateIntelRdtGroup, JoinIntelRdtGroup } from "./operation.ts";

const from = "/linux/intelRdt";

/** The groups are there before the process is. @see config-linux.md#intelrdt */
export function createIntelRdtGroup({ options }: Context): CreateIntelRdtGroup[] {
  const { intelRdt = null } = options;
  if (intelRdt === null) return [];
  const { hostPath, monitoringHostPath, writes } = intelRdt;
  const copies = writes.map((write) => ({ ...write }));
  return [{ op: "createIntelRdtGroup", hostPath, monitoringHostPath, writes: copies, from }];
}

/** What the process starts later is where it is itself: so it joins before it does anything for the container. */
export function joinIntelRdtGroup({ options }: Context): JoinIntelRdtGroup[] {
  const { intelRdt = null } = options;
  if (intelRdt === null) return [];
  const { hostPath, monitoringHostPath } = intelRdt;
  return [{ op: "joinIntelRdtGroup", hostPath, monitoringHostPath, from }];
}
