import type { CapabilityName, MountAttribute, NamespaceType, PropagationFlag } from "./kernel.ts";

/**
 * Index into the descriptors that the parent opens and hands to the init helper; {@link Plan.descriptors} says what each
 * is. In the encoded plan it has become a descriptor number.
 */
export type Slot = number;

/** What every operation carries. */
interface Base {
  /**
   * JSON Pointer of the config entry that caused the operation (`/mounts/3`), or `spec:` and the rule of the
   * specification for what it implies (`spec:config-linux.md#default-devices`).
   */
  readonly from: string;
}

/** Mount attributes to set and to clear, as mount_setattr(2) takes them. */
export interface MountAttributes {
  readonly set: readonly MountAttribute[];
  readonly clear: readonly MountAttribute[];
}

/** Where a mount's content comes from. */
export type MountSource =
  /** A new instance of a file system: fsopen(2), one fsconfig(2) for each option, fsmount(2). */
  | {
      readonly kind: "filesystem";
      readonly type: string;
      readonly source: string | null;
      readonly options: readonly MountOption[];
    }
  /** A clone of a tree of the host: open_tree(2) with OPEN_TREE_CLONE. */
  | { readonly kind: "bind"; readonly hostPath: string; readonly recursive: boolean }
  /** A tree that the parent opened, for what the helper cannot reach or map itself. */
  | { readonly kind: "descriptor"; readonly slot: Slot };

/** One option of a file system: a flag has no value. */
export interface MountOption {
  readonly key: string;
  readonly value: string | null;
}

/** `createCgroup`: makes the control group and writes its limits. Done by the parent. */
export interface CreateCgroup extends Base {
  readonly op: "createCgroup";
  /** Path below the hierarchy's root, starting with `/`. */
  readonly path: string;
  readonly driver: "v1" | "v2" | "systemd";
  /** What is written to which file, in order, for the reader of the plan. */
  readonly writes: readonly CgroupWrite[];
}

/** One value of one file of a control group. */
export interface CgroupWrite extends Base {
  /** Controller on v1 (`memory`), empty on v2. */
  readonly controller: string;
  readonly file: string;
  readonly value: string;
  /** The config's value where it is another than the one written: `1024` of `cpu.shares`. */
  readonly given?: string;
}

/** `clone`: starts the init helper. Done by the parent. */
export interface Clone extends Base {
  readonly op: "clone";
  /** Namespaces made by the clone itself; others are joined or unshared by the helper. */
  readonly namespaces: readonly NamespaceType[];
  /** Whether the process starts in its control group (CLONE_INTO_CGROUP, v2 only). */
  readonly intoCgroup: boolean;
}

/** One line of a uid or gid map. */
export interface IdMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

/** `writeIdMappings`: gives the new user namespace its maps. Done by the parent. */
export interface WriteIdMappings extends Base {
  readonly op: "writeIdMappings";
  readonly uidMappings: readonly IdMapping[];
  readonly gidMappings: readonly IdMapping[];
  /** What is written to /proc/PID/setgroups before the maps; null leaves it. @see user_namespaces(7) */
  readonly setgroups: "allow" | "deny" | null;
  /** `direct` writes the maps; `newidmap` calls newuidmap(1) and newgidmap(1). */
  readonly method: "direct" | "newidmap";
}

/** The kinds of hook, in the order in which they run. */
export type HookKind = "prestart" | "createRuntime" | "createContainer" | "startContainer" | "poststart" | "poststop";

/** `hook`: runs a program with the container's state on its standard input. */
export interface Hook extends Base {
  readonly op: "hook";
  readonly kind: HookKind;
  readonly index: number;
  readonly path: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly timeoutMs: number | null;
}

/** `moveNetDevice`: moves a device of the host into the container's network namespace. Done by the parent. */
export interface MoveNetDevice extends Base {
  readonly op: "moveNetDevice";
  readonly hostName: string;
  readonly name: string;
}

/** `joinNamespace`: setns(2) on a descriptor that the parent opened. */
export interface JoinNamespace extends Base {
  readonly op: "joinNamespace";
  readonly type: NamespaceType;
  readonly slot: Slot;
}

/** `unshare`: unshare(2). */
export interface Unshare extends Base {
  readonly op: "unshare";
  readonly namespaces: readonly NamespaceType[];
}

/** `setTimeOffset`: a line of /proc/self/timens_offsets. */
export interface SetTimeOffset extends Base {
  readonly op: "setTimeOffset";
  readonly clock: "monotonic" | "boottime";
  readonly secs: number;
  readonly nanosecs: number;
}

/**
 * `fork`: goes on in a child that is the parent's own child (CLONE_PARENT), since a pid or time namespace that was
 * joined or unshared holds for children only.
 */
export interface Fork extends Base {
  readonly op: "fork";
}

/** `joinCgroup`: writes `0` to each `cgroup.procs` (v2) or `tasks` (v1) that the parent opened. */
export interface JoinCgroup extends Base {
  readonly op: "joinCgroup";
  readonly slots: readonly Slot[];
}

/**
 * `clearGroups`: setgroups(2) of none, with the caller's privileges, before a user namespace is joined: that may deny it, and
 * the caller's groups would go along.
 */
export interface ClearGroups extends Base {
  readonly op: "clearGroups";
}

/**
 * `becomeRoot`: uid and gid 0 of the user namespace, or the first that it maps where it has no 0, before anything is mounted
 * in it: who is nobody there can make no file.
 */
export interface BecomeRoot extends Base {
  readonly op: "becomeRoot";
  readonly uid: number;
  readonly gid: number;
}

/** `setRootPropagation`: propagation of the whole tree of mounts that the new mount namespace inherited. */
export interface SetRootPropagation extends Base {
  readonly op: "setRootPropagation";
  readonly propagation: readonly PropagationFlag[];
  /**
   * Whether the mount that holds the root file system is made private first, where it is shared: pivot_root(2) refuses a
   * shared parent.
   */
  readonly privateParentOf: string | null;
}

/** `bindRoot`: makes the root file system a mount of its own; the helper holds its descriptor from then on. */
export interface BindRoot extends Base {
  readonly op: "bindRoot";
  readonly hostPath: string;
  /**
   * The tree that the parent opened, where the container's root may be nobody to the directories that lead to it: it is
   * attached over the host's root, which hides nothing from a process whose root that is. Null: a bind over itself.
   */
  readonly treeSlot: Slot | null;
}

/**
 * `openRoot`: the helper's descriptor of the root file system where there is no mount namespace of the container's own:
 * in place of `bindRoot`, since a mount would be the host's.
 */
export interface OpenRoot extends Base {
  readonly op: "openRoot";
  readonly hostPath: string;
}

/** What tells one file of the host from all others, stat(2). */
export interface FileIdentity {
  /** Major number of the device. */
  readonly major: number;
  /** Minor number of the device. */
  readonly minor: number;
  readonly inode: bigint;
}

/**
 * `joinRoot`: the helper's hold on the root of a container that it has joined, verified; the host's procfs is closed. From
 * then on nothing of the host is open.
 */
export interface JoinRoot extends Base {
  readonly op: "joinRoot";
  /** The root of the container's process, for chroot(2). Null: the root of the mount namespace that has been joined. */
  readonly slot: Slot | null;
  /** The root must be one of these. */
  readonly identities: readonly FileIdentity[];
}

/** `makeDirectory`: a directory below the root and its parents, mode 0755; one that is there already is kept. */
export interface MakeDirectory extends Base {
  readonly op: "makeDirectory";
  readonly containerPath: string;
}

/** `mount`: attaches a mount below the root, resolved by descriptor. */
export interface Mount extends Base {
  readonly op: "mount";
  readonly source: MountSource;
  /** Absolute path as the container sees it. */
  readonly containerPath: string;
  readonly attributes: MountAttributes;
  /** Attributes of the whole subtree (`rro` and its kind). */
  readonly recursiveAttributes: MountAttributes;
  readonly propagation: readonly PropagationFlag[];
  /** The user namespace that maps the mount's ids. */
  readonly idmapSlot: Slot | null;
  readonly idmapRecursive: boolean;
  /** Copies what the directory holds into the new file system before covering it. */
  readonly copyUp: boolean;
  /** Gives the root of the new file system the permission bits of the directory that it covers, where that was there. */
  readonly keepMode?: boolean;
  /** Whether a missing target is made, as a directory or as an empty file to fit the source. */
  readonly createTarget: boolean;
  /** Refuses a target that was reached through a symbolic link: `proc` and `sysfs`, CVE-2019-19921. */
  readonly plainTarget: boolean;
  /** What to do when the kernel refuses with EPERM: `bind` the host's own instance (sysfs, rootless), or fail. */
  readonly fallbackHostPath: string | null;
}

/** `remount`: changes the attributes of what is already mounted at a path. */
export interface Remount extends Base {
  readonly op: "remount";
  readonly containerPath: string;
  readonly attributes: MountAttributes;
  readonly recursiveAttributes: MountAttributes;
  readonly propagation: readonly PropagationFlag[];
}

/** `makeDevice`: mknod(2), or a bind of the host's node where mknod is not permitted. */
export interface MakeDevice extends Base {
  readonly op: "makeDevice";
  readonly containerPath: string;
  readonly type: "c" | "b" | "u" | "p";
  readonly major: number;
  readonly minor: number;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Binds the host's node of the same path instead: inside a user namespace mknod(2) is not permitted. */
  readonly bind: boolean;
}

/** `symlink`: a symbolic link in the root file system; one that is there already with the same target is kept. */
export interface Symlink extends Base {
  readonly op: "symlink";
  readonly containerPath: string;
  readonly target: string;
}

/** `openConsole`: a pseudo-terminal of the container's devpts; its main end goes to the parent. */
export interface OpenConsole extends Base {
  readonly op: "openConsole";
  /** Rows and columns, or 0 to leave them. */
  readonly height: number;
  readonly width: number;
  /** Whether it is bound over /dev/console. */
  readonly bind: boolean;
}

/** `maskPath`: covers a path with /dev/null or an empty directory; a missing one is left out. */
export interface MaskPath extends Base {
  readonly op: "maskPath";
  readonly containerPath: string;
}

/** `makePathReadonly`: covers a path with itself, read-only; a missing one is left out. */
export interface MakePathReadonly extends Base {
  readonly op: "makePathReadonly";
  readonly containerPath: string;
}

/** `enterRoot`: makes the root file system `/`. */
export interface EnterRoot extends Base {
  readonly op: "enterRoot";
  /**
   * `pivot` is pivot_root(2) and the old root detached; `move` is MS_MOVE and chroot(2), for a root on a ramfs;
   * `chroot` is chroot(2) alone, where there is no mount namespace of the container's own.
   */
  readonly method: "pivot" | "move" | "chroot";
}

/** `setRootReadonly`: MOUNT_ATTR_RDONLY on the root mount. */
export interface SetRootReadonly extends Base {
  readonly op: "setRootReadonly";
}

/** `setPropagation`: propagation of the container's root after it has become `/`. */
export interface SetPropagation extends Base {
  readonly op: "setPropagation";
  readonly propagation: readonly PropagationFlag[];
}

/** `setHostname`: sethostname(2). */
export interface SetHostname extends Base {
  readonly op: "setHostname";
  readonly hostname: string;
}

/** `setDomainname`: setdomainname(2). */
export interface SetDomainname extends Base {
  readonly op: "setDomainname";
  readonly domainname: string;
}

/** `setSysctl`: a write below /proc/sys through the helper's own descriptor of procfs. */
export interface SetSysctl extends Base {
  readonly op: "setSysctl";
  /** Name with dots or slashes, as the config has it. */
  readonly name: string;
  /** Path below /proc/sys. */
  readonly path: string;
  readonly value: string;
}

/** `bringUpLoopback`: sets IFF_UP on `lo` of a new network namespace. */
export interface BringUpLoopback extends Base {
  readonly op: "bringUpLoopback";
}

/** `setOomScoreAdj`: a write to /proc/PID/oom_score_adj. */
export interface SetOomScoreAdj extends Base {
  readonly op: "setOomScoreAdj";
  /** The parent writes it where the process is in a user namespace: lowering needs CAP_SYS_RESOURCE of the host's. */
  readonly by: "parent" | "init";
  /** -1000 to 1000. */
  readonly value: number;
}

/** `joinSessionKeyring`: a new session keyring, keyctl(2). */
export interface JoinSessionKeyring extends Base {
  readonly op: "joinSessionKeyring";
  readonly name: string;
}

/** `newSession`: setsid(2). */
export interface NewSession extends Base {
  readonly op: "newSession";
}

/**
 * `raiseRlimit`: lifts a hard limit that is lower than the config's, first of all, while the helper has the caller's
 * CAP_SYS_RESOURCE, which a user namespace would take; `setRlimit` then only lowers, which needs no privilege, as the last
 * thing before `exec`.
 */
export interface RaiseRlimit extends Base {
  readonly op: "raiseRlimit";
  readonly name: string;
  readonly resource: number;
  readonly hard: bigint;
}

/** `setRlimit`: prlimit64(2). `name` is the config's, `RLIMIT_NOFILE`. */
export interface SetRlimit extends Base {
  readonly op: "setRlimit";
  readonly name: string;
  readonly resource: number;
  readonly soft: bigint;
  readonly hard: bigint;
}

/** `setNoNewPrivileges`: prctl(PR_SET_NO_NEW_PRIVS). */
export interface SetNoNewPrivileges extends Base {
  readonly op: "setNoNewPrivileges";
}

/** `setPersonality`: personality(2). */
export interface SetPersonality extends Base {
  readonly op: "setPersonality";
  readonly domain: string;
  /** The argument of personality(2). */
  readonly value: number;
}

/** `setScheduler`: sched_setattr(2). */
export interface SetScheduler extends Base {
  readonly op: "setScheduler";
  readonly policy: number;
  readonly flags: number;
  readonly nice: number;
  readonly priority: number;
  readonly runtime: bigint;
  readonly deadline: bigint;
  readonly period: bigint;
}

/** `setIoPriority`: ioprio_set(2). */
export interface SetIoPriority extends Base {
  readonly op: "setIoPriority";
  readonly class: number;
  readonly priority: number;
}

/** `setMemoryPolicy`: set_mempolicy(2). `nodes` is a bit mask of 64-bit words. */
export interface SetMemoryPolicy extends Base {
  readonly op: "setMemoryPolicy";
  /** Mode with its flags. */
  readonly mode: number;
  readonly nodes: readonly bigint[];
}

/** `setAffinity`: sched_setaffinity(2). `cpus` is a bit mask of 64-bit words. */
export interface SetAffinity extends Base {
  readonly op: "setAffinity";
  readonly cpus: readonly bigint[];
}

/** `setLabel`: a label of the security module for the coming execve, through the helper's own procfs. */
export interface SetLabel extends Base {
  readonly op: "setLabel";
  /** Path below /proc/self/attr: `exec`, `apparmor/exec`, `keycreate`. */
  readonly attribute: string;
  readonly value: string;
}

/** `setUser`: groups, gid, uid and umask; capabilities are kept across it for `setCapabilities`. */
export interface SetUser extends Base {
  readonly op: "setUser";
  readonly uid: number;
  readonly gid: number;
  /** Null leaves the groups: setgroups(2) is denied in the user namespace. */
  readonly additionalGids: readonly number[] | null;
  /** Null leaves the mask. */
  readonly umask: number | null;
}

/** `dropBoundingCapabilities`: takes every capability that is not listed out of the bounding set. */
export interface DropBoundingCapabilities extends Base {
  readonly op: "dropBoundingCapabilities";
  readonly keep: readonly CapabilityName[];
}

/** `setCapabilities`: capset(2) and the ambient set. */
export interface SetCapabilities extends Base {
  readonly op: "setCapabilities";
  readonly effective: readonly CapabilityName[];
  readonly permitted: readonly CapabilityName[];
  readonly inheritable: readonly CapabilityName[];
  readonly ambient: readonly CapabilityName[];
}

/** `setWorkingDirectory`: chdir(2), made when missing, and checked to lie in the container (CVE-2024-21626). */
export interface SetWorkingDirectory extends Base {
  readonly op: "setWorkingDirectory";
  readonly containerPath: string;
  /** Whether a missing one is made. */
  readonly create: boolean;
  /**
   * Whether EACCES and EPERM leave it to the next `setWorkingDirectory`, which does nothing once one has succeeded: a
   * directory may be open to root alone, or to the user alone (FUSE, NFS).
   */
  readonly mayFail?: boolean;
}

/** `loadSeccomp`: installs a filter. */
export interface LoadSeccomp extends Base {
  readonly op: "loadSeccomp";
  /** Flags of seccomp(2). */
  readonly flags: number;
  /** Instructions of classic BPF, 8 bytes each, little-endian. */
  readonly filter: Uint8Array;
  /** Whether the listener's descriptor goes to the parent. */
  readonly listener: boolean;
  /** Unix socket of the host to which the parent sends the listener's descriptor and the container process's state. */
  readonly listenerPath?: string;
  /** Opaque text that goes with it. */
  readonly listenerMetadata?: string;
}

/** `findExecutable`: looks `args[0]` up in the container's PATH as the container's user and checks that it can be run. */
export interface FindExecutable extends Base {
  readonly op: "findExecutable";
  readonly name: string;
  /** Directories of the PATH in the container's environment. */
  readonly searchPath: string;
}

/** `lookUpHome`: `HOME` for `exec` from the container's /etc/passwd, by uid; `/` when it has no such line. */
export interface LookUpHome extends Base {
  readonly op: "lookUpHome";
  readonly uid: number;
}

/** `awaitStart`: reports `created` and waits until somebody connects to the start socket. */
export interface AwaitStart extends Base {
  readonly op: "awaitStart";
  readonly slot: Slot;
}

/** `exec`: execve(2) of what `findExecutable` found. */
export interface Exec extends Base {
  readonly op: "exec";
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** How many descriptors from 3 on stay open. */
  readonly preserveFds: number;
}

/** One step of a plan. */
export type Operation =
  | CreateCgroup
  | Clone
  | WriteIdMappings
  | Hook
  | MoveNetDevice
  | JoinNamespace
  | Unshare
  | SetTimeOffset
  | Fork
  | JoinCgroup
  | ClearGroups
  | BecomeRoot
  | SetRootPropagation
  | BindRoot
  | OpenRoot
  | JoinRoot
  | MakeDirectory
  | Mount
  | Remount
  | MakeDevice
  | Symlink
  | OpenConsole
  | MaskPath
  | MakePathReadonly
  | EnterRoot
  | SetRootReadonly
  | SetPropagation
  | SetHostname
  | SetDomainname
  | SetSysctl
  | BringUpLoopback
  | SetOomScoreAdj
  | JoinSessionKeyring
  | NewSession
  | RaiseRlimit
  | SetRlimit
  | SetNoNewPrivileges
  | SetPersonality
  | SetScheduler
  | SetIoPriority
  | SetMemoryPolicy
  | SetAffinity
  | SetLabel
  | SetUser
  | DropBoundingCapabilities
  | SetCapabilities
  | SetWorkingDirectory
  | LoadSeccomp
  | FindExecutable
  | LookUpHome
  | AwaitStart
  | Exec;

/** Name of an operation. */
export type OperationName = Operation["op"];

/** The phases, in order. */
export const phaseNames = ["beforeClone", "inNamespaces", "afterPivot", "atStart", "afterStart"] as const;

/** Name of a phase. */
export type PhaseName = (typeof phaseNames)[number];

/** The operations of one phase, in order. */
export interface Phase {
  readonly name: PhaseName;
  readonly operations: readonly Operation[];
}

/** A descriptor that the parent opens before the clone and hands over. */
export type Descriptor = Base &
  (
    | { readonly kind: "namespace"; readonly type: NamespaceType; readonly hostPath: string }
    | { readonly kind: "cgroupProcs"; readonly controller: string }
    | { readonly kind: "startSocket" }
    /** The root directory of a container's process. */
    | { readonly kind: "root"; readonly hostPath: string }
    /** A user namespace made for these mappings alone, for an idmapped mount. */
    | {
        readonly kind: "idmap";
        readonly uidMappings: readonly IdMapping[];
        readonly gidMappings: readonly IdMapping[];
      }
    /**
     * A detached clone of a tree of the host, for a source that the container's root user may not reach. It is a slave of the
     * host's, as it would be in a mount namespace of the container's user namespace.
     */
    | {
        readonly kind: "tree";
        readonly hostPath: string;
        readonly recursive: boolean;
        /** MOUNT_ATTR_IDMAP, which the parent sets: a process in a user namespace may not. Slot of the user namespace. */
        readonly idmapSlot?: Slot | null;
        readonly idmapRecursive?: boolean;
      }
  );

/** Something in the config that does not hold and that the specification does not want to be an error. */
export interface PlanWarning {
  /** JSON Pointer of the config entry. */
  readonly pointer: string;
  /** One line, no trailing period. */
  readonly message: string;
}

/** A container as data: what {@link compile} returns, {@link encode} turns into bytes and {@link format} prints. */
export interface Plan {
  /** Version of this shape; an init helper of another version refuses it. */
  readonly version: 1;
  readonly descriptors: readonly Descriptor[];
  readonly phases: readonly Phase[];
  /** What is worth saying to the user; `encode` leaves it out. */
  readonly warnings?: readonly PlanWarning[];
}

/**
 * Whether the parent carries an operation out; the init helper does the others. Where one of these stands between the
 * helper's own, {@link encode} puts a pause for the helper in its place.
 */
export function isParentOperation(operation: Operation): boolean {
  switch (operation.op) {
    case "createCgroup":
    case "clone":
    case "writeIdMappings":
    case "moveNetDevice":
      return true;
    case "setOomScoreAdj":
      return operation.by === "parent";
    case "hook":
      return operation.kind !== "createContainer" && operation.kind !== "startContainer";
    default:
      return false;
  }
}
