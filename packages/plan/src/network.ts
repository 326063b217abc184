import { type Context, isCreated } from "./context.ts";
import { pointerOf } from "./namespaces.ts";
import type { MoveNetDevice, Operation } from "./operation.ts";
import { pointerTo } from "./pointer.ts";

/** `lo` of a new network namespace comes up, before the hooks: those of engines go on from there. */
export function loopbackOperations(context: Context): Operation[] {
  return isCreated(context, "network") ? [{ op: "bringUpLoopback", from: pointerOf(context, "network") }] : [];
}

/** Devices of the host that move into the container's network namespace, in the config's order. */
export function netDeviceOperations(context: Context): MoveNetDevice[] {
  return Object.entries(context.linux.netDevices ?? {}).map(([hostName, { name }]) => ({
    op: "moveNetDevice",
    hostName,
    name: name === undefined || name === "" ? hostName : name,
    from: pointerTo("linux", "netDevices", hostName),
  }));
}
