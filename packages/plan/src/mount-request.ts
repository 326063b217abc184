import { RunletError } from "@runlet/errors";
import type { Mount as MountConfig } from "@runlet/spec";
import type { Context } from "./context.ts";
import { inOrder, type ParsedMountOptions, parseMountOptions } from "./mount-options.ts";
import type { Mount, MountAttributes, Operation, Remount } from "./operation.ts";
import { cleanPath } from "./path.ts";
import { pointerTo } from "./pointer.ts";

/** One mount of the config, read. */
export interface MountRequest {
  readonly config: MountConfig;
  readonly pointer: string;
  /** Clean and absolute. */
  readonly containerPath: string;
  readonly options: ParsedMountOptions;
}

/** No attribute set, none cleared. */
export const noAttributes: MountAttributes = { set: [], clear: [] };

/** What the mounts of the config become. */
export interface MountOperations {
  /** In the config's order. */
  readonly mounts: readonly Operation[];
  /** What makes file systems read-only that have to be written to first: to be done after all else that writes. */
  readonly sealing: readonly Remount[];
}

/** The mounts of the config as requests. */
export function readMounts(context: Context): readonly MountRequest[] {
  return (context.spec.mounts ?? []).map((config, index) => {
    const pointer = pointerTo("mounts", index);
    if (!config.destination.startsWith("/")) {
      context.warnings.push({ pointer: `${pointer}/destination`, message: "is not absolute; taken from the root" });
    }
    return {
      config,
      pointer,
      containerPath: cleanPath(config.destination),
      options: parseMountOptions(config.options ?? []),
    };
  });
}

/** Whether a request is a bind mount: by its options, or by its type. */
export function isBind({ config, options }: MountRequest): boolean {
  return options.bind !== "no" || (config.type === "bind" && !options.remount);
}

/** The attributes but for MOUNT_ATTR_RDONLY. */
export function withoutReadonly(attributes: MountAttributes): MountAttributes {
  return { set: attributes.set.filter((attribute) => attribute !== "MOUNT_ATTR_RDONLY"), clear: attributes.clear };
}

/** The `remount` that makes a mount read-only. */
export function remountReadonly(request: MountRequest): Remount {
  return {
    op: "remount",
    containerPath: request.containerPath,
    attributes: { set: ["MOUNT_ATTR_RDONLY"], clear: [] },
    recursiveAttributes: noAttributes,
    propagation: [],
    from: request.pointer,
  };
}

/** What all mounts of a request have in common. */
export function mountBase(request: MountRequest): Omit<Mount, "source"> {
  return {
    op: "mount",
    containerPath: request.containerPath,
    attributes: request.options.attributes,
    recursiveAttributes: request.options.recursiveAttributes,
    propagation: request.options.propagations[0] ?? [],
    idmapSlot: null,
    idmapRecursive: false,
    copyUp: false,
    createTarget: true,
    plainTarget: false,
    fallbackHostPath: null,
    from: request.pointer,
  };
}

/** An error of a mount's own making. */
export function mountError(pointer: string, message: string, hint?: string): RunletError {
  return new RunletError("ERR_RUNLET_MOUNT", message, { pointer, hint });
}

/** Two sets of attributes in one; what `more` says holds. */
export function mergeAttributes(base: MountAttributes, more: MountAttributes): MountAttributes {
  return {
    set: inOrder([...base.set.filter((attribute) => !more.clear.includes(attribute)), ...more.set]),
    clear: inOrder([...base.clear.filter((attribute) => !more.set.includes(attribute)), ...more.clear]),
  };
}
