import { quote, RunletError } from "@runlet/errors";
import { cgroupMountOperations } from "./cgroup-mounts.ts";
import { addDescriptor, type Context, isCreated, isInUserNamespace, mayOpenTrees } from "./context.ts";
import { copyMappings } from "./id-mappings.ts";
import {
  isBind,
  type MountOperations,
  type MountRequest,
  mountBase,
  mountError,
  noAttributes,
  remountReadonly,
  withoutReadonly,
} from "./mount-request.ts";
import type { MakePathReadonly, Mount, MountAttributes, MountSource, Operation, Remount, Slot } from "./operation.ts";
import { cleanPath, hostPathFrom, isWithin } from "./path.ts";
import { isRootMount, overlayOptions } from "./root-mount.ts";

/**
 * The mounts of the config.
 *
 * @throws RunletError `ERR_RUNLET_MOUNT` for a mount that cannot be, with its pointer.
 */
export function mountOperations(context: Context, requests: readonly MountRequest[]): MountOperations {
  const mounts: Operation[] = [];
  const sealing: Remount[] = [];
  for (const request of requests) {
    if (!isRootMount(context, request)) checkDestination(request);
    checkOptions(context, request);
    if (request.options.remount) mounts.push(remount(request, request.options.attributes));
    else if (isBind(request)) mounts.push(bindMount(context, request), ...readonlyCgroups(context, request, requests));
    else if (isCgroupType(request.config.type)) {
      const cgroup = cgroupMountOperations(context, request);
      mounts.push(...cgroup.mounts);
      sealing.push(...cgroup.sealing);
    } else if (isSealedLater(request)) {
      mounts.push(filesystemMount(context, request, withoutReadonly(request.options.attributes)));
      sealing.push(remountReadonly(request));
    } else mounts.push(filesystemMount(context, request, request.options.attributes));
    mounts.push(...furtherPropagations(request));
  }
  return { mounts, sealing };
}

/** The root, a tmpfs, and whatever is at /dev get their content from the mounts and devices that come after them. */
function isSealedLater({ config, containerPath, options }: MountRequest): boolean {
  return (
    options.attributes.set.includes("MOUNT_ATTR_RDONLY") &&
    (config.type === "tmpfs" || containerPath === "/dev" || containerPath === "/")
  );
}

function isCgroupType(type: string | undefined): boolean {
  return type === "cgroup" || type === "cgroup2";
}

function remount(request: MountRequest, attributes: MountAttributes): Remount {
  return {
    op: "remount",
    containerPath: request.containerPath,
    attributes,
    recursiveAttributes: request.options.recursiveAttributes,
    propagation: request.options.propagations[0] ?? [],
    from: request.pointer,
  };
}

/** Each propagation after the first is a change of its own. */
function furtherPropagations(request: MountRequest): readonly Remount[] {
  return request.options.propagations.slice(1).map((propagation) => ({
    op: "remount",
    containerPath: request.containerPath,
    attributes: noAttributes,
    recursiveAttributes: noAttributes,
    propagation,
    from: request.pointer,
  }));
}

function bindMount(context: Context, request: MountRequest): Mount {
  const { config, options, pointer } = request;
  if (config.source === undefined || config.source === "") {
    throw mountError(`${pointer}/source`, "a bind mount without a source");
  }
  const hostPath = hostPathFrom(context.options.bundleHostPath, config.source);
  const recursive = options.bind === "rbind";
  const idmapSlot = idmapSlotOf(context, request);
  const idmapRecursive = options.idmap === "ridmap";
  const base = mountBase(request);
  if (!mayOpenTrees(context)) {
    return { ...base, source: { kind: "bind", hostPath, recursive }, idmapSlot, idmapRecursive };
  }
  // The container's root may be nobody to the directories that lead to the source, and may map no ids.
  const slot = addDescriptor(context, {
    kind: "tree",
    hostPath,
    recursive,
    ...(idmapSlot === null ? {} : { idmapSlot, idmapRecursive }),
    from: pointer,
  });
  return { ...base, source: { kind: "descriptor", slot } };
}

const cgroupHostPath = "/sys/fs/cgroup";

/**
 * CVE-2023-25809: a read-only bind of the host's /sys leaves the control groups that are mounted below as they are, and in a
 * user namespace what is delegated to the caller would be the container's to write.
 */
function readonlyCgroups(
  context: Context,
  { config, options, containerPath, pointer }: MountRequest,
  requests: readonly MountRequest[],
): MakePathReadonly[] {
  const hostPath = hostPathFrom(context.options.bundleHostPath, config.source ?? "");
  const isReadonly = options.bind === "rbind" && options.attributes.set.includes("MOUNT_ATTR_RDONLY");
  if (!isInUserNamespace(context) || !isReadonly || !isWithin(cgroupHostPath, hostPath)) return [];
  const below = cleanPath(`${containerPath}/${cgroupHostPath.slice(hostPath.length)}`);
  if (requests.some((other) => other.containerPath === below)) return [];
  return [{ op: "makePathReadonly", containerPath: below, from: pointer }];
}

function filesystemMount(context: Context, request: MountRequest, attributes: MountAttributes): Mount {
  const { config, options, pointer } = request;
  const { type } = config;
  if (type === undefined || type === "" || type === "none") {
    throw mountError(`${pointer}/type`, "a mount without a type", 'for a bind mount add the option "bind"');
  }
  const source: MountSource = {
    kind: "filesystem",
    type,
    source: config.source === undefined || config.source === "" ? null : config.source,
    ...filesystemOptions(context, request, type),
  };
  const hasMode = options.data.some(({ key }) => key === "mode");
  const idmapSlot = idmapSlotOf(context, request);
  const mount = {
    ...mountBase(request),
    source,
    attributes,
    copyUp: options.tmpcopyup,
    ...(type === "tmpfs" && !hasMode ? { keepMode: true } : {}),
    plainTarget: type === "proc" || type === "sysfs",
  };
  if (idmapSlot !== null && mayOpenTrees(context)) {
    const slot = addDescriptor(context, { ...source, kind: "filesystem", idmapSlot, from: pointer });
    return { ...mount, source: { kind: "descriptor", slot } };
  }
  return {
    ...mount,
    idmapSlot,
    idmapRecursive: options.idmap === "ridmap",
    fallbackHostPath: fallbackHostPath(context, type),
  };
}

function filesystemOptions(
  context: Context,
  request: MountRequest,
  type: string,
): Pick<Extract<MountSource, { kind: "filesystem" }>, "options" | "layerHostPaths"> {
  const { attributes, superblock, data, iversion } = request.options;
  const flags = superblock.map((key) => ({ key, value: null }));
  // mount(2) makes both the mount and the superblock read-only, without which a read-only block device is not mounted.
  if (attributes.set.includes("MOUNT_ATTR_RDONLY") && !isSealedLater(request))
    flags.unshift({ key: "ro", value: null });
  if (iversion && type === "ext4") flags.push({ key: "i_version", value: null });
  else if (iversion) {
    context.warnings.push({
      pointer: `${request.pointer}/options`,
      message: `iversion has no effect: ${type} decides on it itself`,
    });
  }
  const label = context.linux.mountLabel;
  // The kernel labels proc and sysfs itself.
  const isLabelled = label !== undefined && label !== "" && type !== "proc" && type !== "sysfs";
  const given = type === "overlay" ? overlayOptions(context, request, data) : { options: data };
  const options = [...flags, ...given.options, ...(isLabelled ? [{ key: "context", value: label }] : [])];
  return { ...given, options };
}

/**
 * The host's own instance, where the kernel refuses a new one: it must belong to a namespace that the container's user
 * namespace owns. @see user_namespaces(7)
 */
function fallbackHostPath(context: Context, type: string): string | null {
  if (!isInUserNamespace(context)) return null;
  if (type === "sysfs") return isCreated(context, "network") ? null : "/sys";
  if (type === "proc") return isCreated(context, "pid") ? null : "/proc";
  if (type === "mqueue") return isCreated(context, "ipc") ? null : "/dev/mqueue";
  return null;
}

function idmapSlotOf(context: Context, { config, options, pointer }: MountRequest): Slot | null {
  const hasOwn = config.uidMappings !== undefined || config.gidMappings !== undefined;
  if (options.idmap === "no" && !hasOwn) return null;
  if (context.host.euid !== 0) {
    throw mountError(
      hasOwn ? `${pointer}/uidMappings` : `${pointer}/options`,
      "an ordinary user cannot map the ids of a mount: that takes CAP_SYS_ADMIN over its file system",
      "leave the mappings out, and let the files belong to an id that the user namespace maps",
    );
  }
  if (hasOwn) {
    return addDescriptor(context, {
      kind: "idmap",
      uidMappings: copyMappings(config.uidMappings),
      gidMappings: copyMappings(config.gidMappings),
      from: pointer,
    });
  }
  const joined = context.namespaces.joined.get("user");
  if (joined !== undefined) {
    return addDescriptor(context, { kind: "namespace", type: "user", hostPath: joined, from: pointer });
  }
  if (isCreated(context, "user")) {
    return addDescriptor(context, {
      kind: "idmap",
      uidMappings: copyMappings(context.linux.uidMappings),
      gidMappings: copyMappings(context.linux.gidMappings),
      from: pointer,
    });
  }
  throw mountError(
    `${pointer}/options`,
    `${options.idmap} without mappings`,
    "give the mount uidMappings and gidMappings, or the container a user namespace",
  );
}

/** Files of procfs that something like lxcfs may cover; all else below /proc is the kernel's word. CVE-2019-16884 */
const coverableProcFiles = [
  "/proc/cpuinfo",
  "/proc/diskstats",
  "/proc/loadavg",
  "/proc/meminfo",
  "/proc/net/dev",
  "/proc/slabinfo",
  "/proc/stat",
  "/proc/swaps",
  "/proc/sys/kernel/ns_last_pid",
  "/proc/uptime",
] as const;

function checkDestination(request: MountRequest): void {
  const { config, containerPath, pointer } = request;
  if (request.options.remount || !isWithin(containerPath, "/proc")) return;
  const isProcItself =
    containerPath === "/proc" &&
    (isBind(request) ? cleanPath(config.source ?? "") === "/proc" : config.type === "proc");
  const isCoverable = isBind(request) && (coverableProcFiles as readonly string[]).includes(containerPath);
  if (isProcItself || isCoverable) return;
  throw mountError(
    `${pointer}/destination`,
    `${quote(containerPath)} cannot be mounted because it is inside /proc`,
    `only procfs can be mounted at /proc, and files can be bound over ${coverableProcFiles.join(", ")}`,
  );
}

function checkOptions(context: Context, request: MountRequest): void {
  const { config, options, pointer } = request;
  if (options.tmpcopyup && (config.type !== "tmpfs" || isBind(request))) {
    throw mountError(`${pointer}/options`, "tmpcopyup is for tmpfs alone");
  }
  const leftOver = [...options.superblock, ...options.data.map(({ key }) => key)];
  if (leftOver.length === 0) return;
  const words = `${quote(leftOver.join(","))} ${leftOver.length === 1 ? "has" : "have"}`;
  if (options.remount) {
    throw new RunletError("ERR_RUNLET_UNSUPPORTED", `a remount that changes the file system: ${words} no place in it`, {
      pointer: `${pointer}/options`,
      hint: "give these options to the mount itself",
    });
  }
  if (isBind(request)) {
    context.warnings.push({
      pointer: `${pointer}/options`,
      message: `${words} no effect on a bind mount: the options of a file system are those of its first mount`,
    });
  }
}
