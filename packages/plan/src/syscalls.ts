import { MOUNT_ATTR, type PropagationFlag } from "./kernel.ts";
import {
  isParentOperation,
  type Mount,
  type MountAttributes,
  type Operation,
  type OperationName,
  type Plan,
  type Remount,
} from "./operation.ts";

/**
 * System calls of the init helper as a regular expression whose letters are the names of calls: `a b` is a and then b, `?`,
 * `*`, `+`, `{3}`, `(…)` and `|` as usual. What stands behind a `?` or `|` depends on what lies in the root file system or on
 * what an earlier operation has left open, never on a decision of the helper's.
 */
export type SyscallPattern = string;

/** A path below the container's root. openat2(2) says EAGAIN when a rename anywhere on the machine came between. */
const open = "openat2+";
/** Makes the components that are missing, below the deepest directory that is there. */
const makePath = "openat2+ ((mkdirat | mknodat) openat2+ close)*";
const openOrMake = `${open} (${makePath})?`;
/** The directory of a device; that of the one before is kept open. */
const openParent = `(${open} (${makePath})? close?)?`;
/** A detached tree onto its target. What is mounted may cover the directory of the last device. */
const attach = "move_mount close?";
const writeProc = "openat2+ write close";
/** The device is looked at, not believed. */
const openNull = "openat statx";

/** A standard stream, looked at; the container's null device takes the place of the host's. */
const ownNull = `statx (${open} (statx (${open} (statx dup3? close)?)? close)?)?`;

type PatternOf<Name extends OperationName> = (operation: Extract<Operation, { op: Name }>) => SyscallPattern;
type ParentOperationName =
  | "createCgroup"
  | "createIntelRdtGroup"
  | "joinIntelRdtGroup"
  | "clone"
  | "writeIdMappings"
  | "moveNetDevice";

const patterns: { readonly [Name in Exclude<OperationName, ParentOperationName>]: PatternOf<Name> } = {
  joinNamespace: () => "prctl setns close prctl",
  unshare: () => "unshare",
  setTimeOffset: () => writeProc,
  // The first process says the second one's number and ends; the second waits until it is known.
  fork: () => "clone3 sendmsg exit_group recvmsg",
  joinCgroup: ({ slots }) => repeat("write close", slots.length),
  clearGroups: () => "setgroups",
  becomeRoot: () => "setresgid setresuid prctl",
  setRootPropagation: ({ propagation, privateParentOf }) =>
    join(repeat("mount", changes(propagation)), privateParentOf === null ? "" : "mount+"),
  bindRoot: ({ treeSlot }) => `${openNull} openat ${treeSlot === null ? "open_tree " : ""}${attach} close`,
  openRoot: () => `openat ${openNull}`,
  joinRoot: ({ slot }) => (slot === null ? "openat statx close fchdir" : "statx close fchdir chroot"),
  makeDirectory: () => `${openOrMake} close`,
  mount: mountPattern,
  remount: (operation) => join(open, attributePattern(operation), propagationPattern(operation.propagation), "close"),
  makeDevice: ({ bind }) =>
    bind
      ? `open_tree statx ${openParent} mknodat openat2 ${attach} close close`
      : // One that is there already is looked at instead.
        `${openParent} mknodat (statx | fchownat)?`,
  symlink: () => `${openParent} symlinkat (readlinkat (unlinkat symlinkat)?)?`,
  openConsole: ({ height, width, bind }) =>
    join(
      `${open} fstatfs statx ioctl ioctl`,
      height === 0 && width === 0 ? "" : "ioctl",
      bind ? `open_tree ${openOrMake} ${attach} close close` : "",
      "sendmsg ioctl dup3{3} close",
    ),
  // One empty directory covers all; it is made for the first.
  maskPath: () =>
    `${open} (statx (open_tree | fsopen fsconfig fsconfig fsmount close) ${attach} statx? (close | close close))?`,
  makePathReadonly: () => `${open} (open_tree mount_setattr ${attach} close close)?`,
  enterRoot: ({ method }) =>
    join(
      method === "move" ? "openat2 readlinkat (read | mount | umount2)+ close" : "",
      "openat fchdir",
      { pivot: "pivot_root fchdir mount umount2", move: "move_mount chroot", chroot: "chroot" }[method],
      "chdir",
      method === "chroot" ? "" : `(${ownNull}){3}`,
      "close",
    ),
  setRootReadonly: () => "mount_setattr",
  setPropagation: ({ propagation }) => propagationPattern(propagation),
  setHostname: () => "sethostname",
  setDomainname: () => "setdomainname",
  setSysctl: () => writeProc,
  bringUpLoopback: () => "socket ioctl ioctl close",
  setOomScoreAdj: () => writeProc,
  // A kernel without keyrings gives none to be searched.
  joinSessionKeyring: ({ grantSearch }) => (grantSearch ? "keyctl keyctl?" : "keyctl"),
  newSession: () => "setsid",
  raiseRlimit: () => "prlimit64 prlimit64?",
  setRlimit: () => "prlimit64",
  setNoNewPrivileges: () => "prctl",
  setPersonality: () => "personality",
  setScheduler: () => "sched_setattr",
  setIoPriority: () => "ioprio_set",
  setMemoryPolicy: () => "set_mempolicy",
  setAffinity: () => "sched_setaffinity",
  setLabel: () => writeProc,
  // The container's user gets its terminal.
  setUser: ({ additionalGids, umask }) =>
    join(
      "fchown? prctl",
      additionalGids === null ? "" : "setgroups",
      "setresgid setresuid",
      umask === null ? "" : "umask",
      "prctl",
    ),
  dropBoundingCapabilities: () => "prctl+",
  setCapabilities: ({ ambient }) => join("capset prctl", repeat("prctl", ambient.length)),
  // Once more after the user has changed, unless it has succeeded before.
  setWorkingDirectory: ({ create }) => `(${create ? openOrMake : open} (fchdir getcwd? close)?)?`,
  // The listener goes over from a process of its own, which shares the descriptors and has no filter.
  loadSeccomp: ({ listener }) => (listener ? "mmap clone3 seccomp waitid" : "seccomp"),
  findExecutable: () => "(statx faccessat2?)+",
  lookUpHome: () => `${open} (statx read* close)?`,
  // What only the creation needs is closed; then whoever connects without a word is not the one.
  awaitStart: () =>
    "rt_sigprocmask signalfd4 sendmsg recvmsg close+ (ppoll+ accept4 recvmsg close*)+ rt_sigprocmask close close",
  // The state comes with the first hook, and the program is another process.
  hook: () =>
    "(sendmsg recvmsg)? pipe2 clone3 close (clock_gettime | ppoll | read)+ pidfd_send_signal? waitid read close close",
  exec: () => "close_range execve",
};

/** What the helper does before the first operation of a plan: it reads the plan, hides itself, and opens procfs. */
export const firstSyscalls: SyscallPattern = "recvmsg+ (lseek mmap close)? mmap prctl? umask openat fstatfs";

/** Where an operation is the runtime's own, the helper says which, and waits. */
const pause: SyscallPattern = "sendmsg recvmsg";

/**
 * The system calls by which the init helper carries an operation out. Of an operation that the runtime carries out these are
 * the helper's word and its wait. A test holds what strace(1) sees against them.
 */
export function syscallsOf(operation: Operation): SyscallPattern {
  if (isParentOperation(operation)) return pause;
  const pattern = patterns[operation.op as keyof typeof patterns] as (operation: Operation) => SyscallPattern;
  return pattern(operation);
}

/** The operations of which the helper hears, in order: those before the clone and after the start are not among them. */
export function helperOperations(plan: Plan): readonly Operation[] {
  return plan.phases.flatMap(({ name, operations }) =>
    name === "beforeClone" || name === "afterStart" ? [] : operations,
  );
}

function mountPattern(operation: Mount): SyscallPattern {
  const { source, idmapSlot, keepMode, createTarget, copyUp } = operation;
  return join(
    sourcePattern(operation),
    source.kind !== "filesystem" ? setting(operation.attributes) : "",
    idmapSlot === null ? "" : "mount_setattr",
    setting(operation.recursiveAttributes),
    source.kind === "filesystem" ? "" : "statx",
    open,
    keepMode ? "(statx fchmodat)?" : "",
    createTarget ? `(${makePath})?` : "",
    copyUp ? copy : "",
    attach,
    propagationPattern(operation.propagation),
    "close close",
  );
}

/** A directory's content: each entry is looked at and made anew. */
const copy =
  "(openat | getdents64 | statx | read | write | fchown | fchmod | mkdirat | mknodat | readlinkat | symlinkat | fchownat | close)+";

function sourcePattern({ source, attributes, fallbackHostPath }: Mount): SyscallPattern {
  if (source.kind === "bind") return "open_tree";
  if (source.kind === "descriptor") return "";
  const given = source.options.length + (source.source === null ? 0 : 1);
  const layers = source.layerHostPaths?.length ?? 0;
  const hasLayers = layers > 0;
  const made = join(
    "fsopen",
    repeat("fsconfig", given),
    hasLayers ? join(repeat("openat", layers + 2), "fchdir fsconfig close") : "",
    "fsconfig",
    hasLayers ? "fchdir" : "",
    "fsmount",
    hasLayers ? repeat("close", layers + 1) : "",
    "close",
  );
  if (fallbackHostPath === null) return made;
  // Where it is refused, the kernel's words are read, and the host's instance is bound.
  return `(${made} | fsopen fsconfig* fsmount? read? close open_tree ${setting(attributes)})`;
}

function attributePattern({ attributes, recursiveAttributes }: Remount): SyscallPattern {
  return join(setting(attributes), setting(recursiveAttributes));
}

/** mount_setattr(2) is called for attributes that are any: the usual mode of access times is no bit. */
function setting({ set, clear }: MountAttributes): SyscallPattern {
  return [...set, ...clear].some((name) => MOUNT_ATTR[name] !== 0) ? "mount_setattr" : "";
}

function propagationPattern(flags: readonly PropagationFlag[]): SyscallPattern {
  return repeat("mount_setattr", changes(flags));
}

/** Each kind of propagation is a call of its own; MS_REC goes with each. */
function changes(flags: readonly PropagationFlag[]): number {
  return flags.filter((flag) => flag !== "MS_REC").length;
}

function repeat(pattern: SyscallPattern, count: number): SyscallPattern {
  if (count === 0) return "";
  return count === 1 ? pattern : `(${pattern}){${count}}`;
}

function join(...parts: readonly SyscallPattern[]): SyscallPattern {
  return parts.filter((part) => part !== "").join(" ");
}
