import type {
  BindRoot,
  EnterRoot,
  JoinRoot,
  MakeDevice,
  MakeDirectory,
  MakePathReadonly,
  MaskPath,
  Mount,
  MountOption,
  OpenConsole,
  OpenRoot,
  Remount,
  SetPropagation,
  SetRootPropagation,
  SetRootReadonly,
  Symlink,
} from "./filesystem-operation.ts";
import type { NamespaceType } from "./kernel.ts";
import type {
  BecomeRoot,
  BringUpLoopback,
  ClearGroups,
  Fork,
  JoinCgroup,
  JoinNamespace,
  SetDomainname,
  SetHostname,
  SetSysctl,
  SetTimeOffset,
  Unshare,
} from "./namespace-operation.ts";
import type { Base, IdMapping, Slot } from "./operation-base.ts";
import type {
  Clone,
  CreateCgroup,
  CreateIntelRdtGroup,
  Hook,
  JoinIntelRdtGroup,
  MoveNetDevice,
  WriteIdMappings,
} from "./parent-operation.ts";
import type {
  AwaitStart,
  DropBoundingCapabilities,
  Exec,
  FindExecutable,
  JoinSessionKeyring,
  LoadSeccomp,
  LookUpHome,
  NewSession,
  RaiseRlimit,
  SetAffinity,
  SetCapabilities,
  SetIoPriority,
  SetLabel,
  SetMemoryPolicy,
  SetNoNewPrivileges,
  SetOomScoreAdj,
  SetPersonality,
  SetRlimit,
  SetScheduler,
  SetUser,
  SetWorkingDirectory,
} from "./process-operation.ts";

export type * from "./filesystem-operation.ts";
export type * from "./namespace-operation.ts";
export type * from "./operation-base.ts";
export type * from "./parent-operation.ts";
export type * from "./process-operation.ts";

/** One step of a plan. */
export type Operation =
  | CreateCgroup
  | CreateIntelRdtGroup
  | JoinIntelRdtGroup
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
    /**
     * A new file system that belongs to the host's user namespace, detached: one of the container's user namespace could not be
     * id-mapped.
     */
    | {
        readonly kind: "filesystem";
        readonly type: string;
        readonly source: string | null;
        readonly options: readonly MountOption[];
        /** As that of a tree. */
        readonly idmapSlot: Slot;
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
    case "createIntelRdtGroup":
    case "joinIntelRdtGroup":
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
