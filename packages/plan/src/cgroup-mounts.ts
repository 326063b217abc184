import { quote, RunletError } from "@runlet/errors";
import { type Context, hasNamespace, isInUserNamespace } from "./context.ts";
import type { HostCgroupHierarchy } from "./host-facts.ts";
import {
  type MountOperations,
  type MountRequest,
  mergeAttributes,
  mountBase,
  noAttributes,
  remountReadonly,
  withoutReadonly,
} from "./mount-request.ts";
import type { Mount, MountAttributes, MountOption, Operation } from "./operation.ts";
import { baseName } from "./path.ts";

const alwaysSet: MountAttributes = {
  set: ["MOUNT_ATTR_NOSUID", "MOUNT_ATTR_NODEV", "MOUNT_ATTR_NOEXEC"],
  clear: [],
};
const readonly: MountAttributes = { set: ["MOUNT_ATTR_RDONLY"], clear: [] };

/**
 * A mount of type `cgroup`: the container's view of its control groups, whichever version the host has.
 *
 * @throws RunletError `ERR_RUNLET_CGROUP` when the host has no control groups mounted.
 */
export function cgroupMountOperations(context: Context, request: MountRequest): MountOperations {
  const { cgroups } = context.host;
  if (cgroups.kind === "none") {
    throw new RunletError("ERR_RUNLET_CGROUP", "the host has no control groups mounted", { pointer: request.pointer });
  }
  const isUnified = cgroups.kind === "v2" || request.config.type === "cgroup2";
  return isUnified ? { mounts: [unifiedMount(context, request)], sealing: [] } : hierarchyMounts(context, request);
}

/**
 * The unified hierarchy. In a cgroup namespace it is mounted anew; without one the host's mount is bound, since a new one
 * without options would take `nsdelegate` and its like from the host's own. In a user namespace that bind is read-only:
 * nothing else keeps the container's root off what is delegated to the caller (CVE-2023-25809).
 */
function unifiedMount(context: Context, request: MountRequest): Mount {
  const mountPoint = context.host.cgroups.unified?.mountPoint ?? "/sys/fs/cgroup";
  const base = mountBase(request);
  const isRefusable = isInUserNamespace(context);
  if (!hasNamespace(context, "cgroup")) {
    const attributes = isRefusable ? mergeAttributes(request.options.attributes, readonly) : request.options.attributes;
    return { ...base, attributes, source: { kind: "bind", hostPath: mountPoint, recursive: true } };
  }
  return {
    ...base,
    source: {
      kind: "filesystem",
      type: "cgroup2",
      source: request.config.source ?? null,
      options: superblockOptions(request),
    },
    fallbackHostPath: isRefusable ? (context.options.cgroup?.hostPaths[""] ?? mountPoint) : null,
  };
}

/** A tmpfs with one mount for each hierarchy of v1, and links from each controller to the hierarchy that it shares. */
function hierarchyMounts(context: Context, request: MountRequest): MountOperations {
  const attributes = mergeAttributes(alwaysSet, request.options.attributes);
  const ignored = superblockOptions(request).map(({ key }) => key);
  if (ignored.length > 0) {
    context.warnings.push({
      pointer: `${request.pointer}/options`,
      message: `${quote(ignored.join(","))} has no effect: the hierarchies of cgroup v1 keep the host's options`,
    });
  }
  const tmpfs: Mount = {
    ...mountBase(request),
    attributes: withoutReadonly(attributes),
    recursiveAttributes: noAttributes,
    source: {
      kind: "filesystem",
      type: "tmpfs",
      source: "tmpfs",
      options: [{ key: "mode", value: "755" }, ...labelOption(context)],
    },
  };
  const { hierarchies } = context.host.cgroups;
  return {
    mounts: [
      tmpfs,
      ...hierarchies.map((hierarchy) => hierarchyMount(context, request, { hierarchy, attributes })),
      ...hierarchies.flatMap((hierarchy) => controllerLinks(request, hierarchy)),
    ],
    sealing: attributes.set.includes("MOUNT_ATTR_RDONLY") ? [remountReadonly(request)] : [],
  };
}

function hierarchyMount(
  context: Context,
  request: MountRequest,
  { hierarchy, attributes }: { hierarchy: HostCgroupHierarchy; attributes: MountAttributes },
): Mount {
  const base = {
    ...mountBase(request),
    attributes,
    containerPath: `${request.containerPath}/${baseName(hierarchy.mountPoint)}`,
  };
  const ownHostPath = context.options.cgroup?.hostPaths[hierarchy.controllers[0] ?? ""];
  if (!hasNamespace(context, "cgroup")) {
    return {
      ...base,
      // Without a control group of its own the container sees the host's, and must not write to them.
      attributes: ownHostPath === undefined ? mergeAttributes(attributes, readonly) : attributes,
      source: { kind: "bind", hostPath: ownHostPath ?? hierarchy.mountPoint, recursive: true },
    };
  }
  return {
    ...base,
    source: {
      kind: "filesystem",
      type: "cgroup",
      source: baseName(hierarchy.mountPoint) === "systemd" ? "systemd" : "cgroup",
      options: hierarchy.controllers.map(controllerOption),
    },
    fallbackHostPath: isInUserNamespace(context) ? (ownHostPath ?? null) : null,
  };
}

/** `name=systemd` is an option with a value; a controller is a flag. */
function controllerOption(controller: string): MountOption {
  return controller.startsWith("name=")
    ? { key: "name", value: controller.slice("name=".length) }
    : { key: controller, value: null };
}

function controllerLinks(request: MountRequest, hierarchy: HostCgroupHierarchy): Operation[] {
  const directory = baseName(hierarchy.mountPoint);
  if (hierarchy.controllers.length < 2) return [];
  return hierarchy.controllers
    .filter((controller) => controller !== directory)
    .map((controller) => ({
      op: "symlink",
      containerPath: `${request.containerPath}/${controller}`,
      target: directory,
      from: request.pointer,
    }));
}

function superblockOptions(request: MountRequest): readonly MountOption[] {
  return [...request.options.superblock.map((key) => ({ key, value: null })), ...request.options.data];
}

function labelOption(context: Context): readonly MountOption[] {
  const label = context.linux.mountLabel;
  return label === undefined || label === "" ? [] : [{ key: "context", value: label }];
}
