import { closeSync, existsSync, readlinkSync } from "node:fs";
import { quote } from "@runlet/errors";
import type { MountAttributes, Operation, Plan } from "@runlet/plan";
import { RootDirectory } from "@runlet/rootfs";
import { openFlags } from "@runlet/syscall";
import { type ExternalMount, nullDevice } from "./external-resource.ts";
import { type ImageDirectory, imageError } from "./image-directory.ts";
import { readImage } from "./image-file.ts";
import { type ImageMount, mountFields } from "./image-message.ts";

/** CRIU's numbers of file systems, of those that hold nothing of the host's. */
const fileSystemTypes: Readonly<Record<string, number>> = {
  proc: 1,
  sysfs: 2,
  tmpfs: 5,
  devpts: 6,
  cgroup: 12,
  mqueue: 14,
  cgroup2: 23,
};
const { tmpfs, devpts } = fileSystemTypes;

/** Flags of a mount that take something away, `<linux/mount.h>`; MOUNT_ATTR_* and MS_* have the same numbers. */
const restrictions = { MOUNT_ATTR_RDONLY: 1, MOUNT_ATTR_NOSUID: 2, MOUNT_ATTR_NODEV: 4, MOUNT_ATTR_NOEXEC: 8 } as const;
const MS_RDONLY = restrictions.MOUNT_ATTR_RDONLY;

/** What there must be at a mount point. */
interface Expectation {
  /** Restrictions that the config sets. */
  flags: number;
  /** Whether the image may go without it. */
  readonly isOptional: boolean;
  /** Whether a mount of the image is this one. */
  matches(mount: ImageMount): boolean;
}

/** What the mounts of an image are compared with. */
export interface MountExpectations {
  readonly plan: Plan;
  readonly rootHostPath: string;
  readonly external: readonly ExternalMount[];
  /** Mount points by the paths of the plan, links resolved. */
  readonly mountPoints: ReadonlyMap<string, string>;
}

/** Whether an image has a mount of the host's that bears a name; the image is not checked yet. */
export function hasExternalMount(images: ImageDirectory, key: string): boolean {
  return images.names.some((file) => {
    if (!/^mountpoints-\d+\.img$/.test(file)) return false;
    const mounts = readImage(images, { name: file.replace(".img", ""), kind: "mountpoints", schema: mountFields });
    return mounts.some(({ externalKey }) => externalKey === key);
  });
}

/**
 * Compares the mounts of an image with those of the config: each where it belongs, on what it belongs on, with the same content
 * and no fewer restrictions, and none besides. An image that says otherwise would have CRIU mount what is the host's, or
 * leave out what hides it.
 *
 * @throws RunletError `ERR_RUNLET_CHECKPOINT` that names the mount.
 */
export function checkMounts(images: ImageDirectory, namespaceId: number, expectations: MountExpectations): void {
  const name = `mountpoints-${namespaceId}`;
  const refuse = (what: string) => imageError(images.hostPath, `${name}.img`, what);
  const others = images.names.filter((file) => file.startsWith("mountpoints-") && file !== `${name}.img`);
  if (others.length > 0) throw imageError(images.hostPath, others[0] ?? "", "belongs to a second mount namespace");
  const mounts = readImage(images, { name, kind: "mountpoints", schema: mountFields });
  const expected = expect(expectations, mounts);
  // CRIU writes the inner ones first; the outer one is what is wrong.
  const outerFirst = [...mounts].sort((one, other) => (one.mountPoint ?? "").length - (other.mountPoint ?? "").length);
  for (const mount of outerFirst) {
    const at = quote(mount.mountPoint ?? "");
    const candidates = expected.get(mount.mountPoint ?? "") ?? [];
    const index = candidates.findIndex((candidate) => candidate.matches(mount));
    const found = candidates[index];
    if (found === undefined) throw refuse(`has a mount at ${at} that config.json does not have`);
    const missing = found.flags & ~(mount.flags ?? 0);
    if (missing !== 0) throw refuse(`has a mount at ${at} that may do more than config.json says`);
    candidates.splice(index, 1);
  }
  for (const [at, left] of expected) {
    if (left.some(({ isOptional }) => !isOptional)) throw refuse(`lacks the mount at ${quote(at)} of config.json`);
  }
  if (!isLayeredAsPathsSay(mounts)) throw refuse("has a mount on another one than the one that its path leads to");
}

/** A mount that lies on another one than its path says is out of sight, and hides nothing. */
function isLayeredAsPathsSay(mounts: readonly ImageMount[]): boolean {
  const byId = new Map(mounts.map((mount) => [mount.mountId, mount]));
  if (byId.size !== mounts.length) return false;
  const coveredIds = new Set(
    mounts.filter((mount) => byId.get(mount.parentId)?.mountPoint === mount.mountPoint).map(({ parentId }) => parentId),
  );
  let roots = 0;
  for (const { mountPoint = "", parentId } of mounts) {
    const parent = byId.get(parentId);
    if (parent === undefined) {
      if (mountPoint !== "/") return false;
      roots++;
      continue;
    }
    if (parent.mountPoint === mountPoint) continue;
    if (coveredIds.has(parentId) || parent.mountPoint !== holderOf(mountPoint, mounts)) return false;
  }
  return roots === 1;
}

/** The mount point that is nearest above a path. */
function holderOf(path: string, mounts: readonly ImageMount[]): string {
  return mounts.reduce((nearest, { mountPoint = "" }) => {
    const isAbove = mountPoint !== path && (mountPoint === "/" || path.startsWith(`${mountPoint}/`));
    return isAbove && mountPoint.length > nearest.length ? mountPoint : nearest;
  }, "");
}

function expect(expectations: MountExpectations, mounts: readonly ImageMount[]): Map<string, Expectation[]> {
  const { plan, mountPoints } = expectations;
  const root: Expectation = { flags: 0, isOptional: false, matches: ({ externalKey }) => externalKey === undefined };
  const expected = new Map<string, Expectation[]>([["/", [root]]]);
  const add = (containerPath: string, expectation: Expectation) =>
    expected.set(containerPath, [...(expected.get(containerPath) ?? []), expectation]);
  const restrict = (containerPath: string, { set, clear }: MountAttributes) => {
    const last = expected.get(mountPoints.get(containerPath) ?? containerPath)?.at(-1);
    if (last !== undefined) last.flags = (last.flags & ~maskOf(clear)) | maskOf(set);
  };
  for (const operation of plan.phases.flatMap(({ operations }) => operations)) {
    if (operation.op === "mount" || operation.op === "makeDevice") {
      const at = mountPoints.get(operation.containerPath) ?? operation.containerPath;
      const content = contentOf(operation, expectations);
      if (content === null) continue;
      add(at, { flags: 0, isOptional: false, matches: content });
      if (operation.op !== "mount") continue;
      restrict(operation.containerPath, operation.attributes);
      restrict(operation.containerPath, operation.recursiveAttributes);
    } else if (operation.op === "remount") {
      restrict(operation.containerPath, operation.attributes);
      restrict(operation.containerPath, operation.recursiveAttributes);
    } else if (operation.op === "maskPath" || operation.op === "makePathReadonly") {
      const { op, containerPath } = operation;
      const isOptional = !isThere(containerPath, expected, expectations);
      const matches = op === "maskPath" ? isMask : (mount: ImageMount) => isItself(mount, mounts, expectations);
      add(containerPath, { flags: op === "maskPath" ? 0 : MS_RDONLY, isOptional, matches });
    } else if (operation.op === "openConsole" && operation.bind) {
      add("/dev/console", { flags: 0, isOptional: false, matches: isConsole });
    }
    // The root's own attributes come from the mount that CRIU is given, and not from the image.
  }
  return expected;
}

function maskOf(attributes: MountAttributes["set"]): number {
  return attributes.reduce((mask, name) => mask | ((restrictions as Readonly<Record<string, number>>)[name] ?? 0), 0);
}

/** Whether a mount of the image has the content of an operation; null for a device that is no mount. */
function contentOf(
  operation: Extract<Operation, { op: "mount" | "makeDevice" }>,
  { external }: MountExpectations,
): Expectation["matches"] | null {
  const { containerPath } = operation;
  if (external.some((mount) => mount.containerPath === containerPath)) {
    return ({ externalKey }) => externalKey === containerPath;
  }
  if (operation.op === "makeDevice") return null;
  const type = operation.source.kind === "filesystem" ? fileSystemTypes[operation.source.type] : undefined;
  return (mount) => mount.externalKey === undefined && mount.type === type && mount.root === "/";
}

/** What covers a masked path: the null device, or an empty directory that cannot be written to. */
function isMask({ externalKey, type, root, flags = 0 }: ImageMount): boolean {
  if (externalKey !== undefined) return externalKey === nullDevice;
  return type === tmpfs && root === "/" && (flags & MS_RDONLY) !== 0;
}

/** A path that is mounted over itself: of the mount that holds it, the part that it covers. */
function isItself(mount: ImageMount, mounts: readonly ImageMount[], { rootHostPath }: MountExpectations): boolean {
  const { mountPoint = "", externalKey, type, root } = mount;
  const holder = mounts.find((other) => other.mountPoint === holderOf(mountPoint, mounts));
  if (holder === undefined || externalKey !== undefined || holder.externalKey !== undefined) return false;
  if (holder.mountPoint === "/" && resolve(rootHostPath, mountPoint) !== mountPoint) return false;
  const within = mountPoint.slice(holder.mountPoint === "/" ? 0 : (holder.mountPoint ?? "").length);
  return type === holder.type && root === (holder.root === "/" ? "" : holder.root) + within;
}

function isConsole({ externalKey, type, root = "" }: ImageMount): boolean {
  return externalKey === undefined && type === devpts && /^\/\d+$/.test(root);
}

/**
 * Whether a path that the config covers is there, as far as that can be seen from outside: in the kernel's own file systems,
 * or in the root file system. CRIU would follow a link of the latter to wherever it leads on the host.
 */
function isThere(
  containerPath: string,
  expected: ReadonlyMap<string, unknown>,
  { rootHostPath }: MountExpectations,
): boolean {
  const holder = ["/proc", "/sys"].find((path) => containerPath.startsWith(`${path}/`) && expected.has(path));
  if (holder !== undefined) return existsSync(containerPath);
  const isCovered = [...expected.keys()].some((path) => path !== "/" && containerPath.startsWith(`${path}/`));
  return !isCovered && resolve(rootHostPath, containerPath) !== null;
}

/** Where a path of the root file system leads, within it; null where nothing is. */
function resolve(rootHostPath: string, containerPath: string): string | null {
  const root = RootDirectory.open(rootHostPath);
  try {
    const fd = root.openIfExists(containerPath, openFlags.O_PATH);
    if (fd === undefined) return null;
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).slice(readlinkSync(`/proc/self/fd/${root.fd}`).length);
    } finally {
      closeSync(fd);
    }
  } finally {
    root.close();
  }
}
