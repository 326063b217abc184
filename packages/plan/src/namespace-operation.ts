import type { NamespaceType } from "./kernel.ts";
import type { Base, Slot } from "./operation-base.ts";

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
