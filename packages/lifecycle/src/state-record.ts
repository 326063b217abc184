import type { CgroupState, IntelRdtState } from "@runlet/cgroups";
import type { Spec } from "@runlet/spec";
import type { RecordedOperation } from "./failure.ts";

/** The part of a record that is known last. */
export type RecordedProcess = Pick<StateRecord, "init_process_pid" | "init_process_start">;

/**
 * What is written about a container in its directory: to `intent.json` before it is made, to `state.json` when it has been.
 * Names with underscores are those of runc's file, which scripts read.
 */
export interface StateRecord {
  readonly id: string;
  /** Version of runlet's record. */
  readonly version: 1;
  readonly ociVersion: string;
  /** Process id in the creator's pid namespace; 0 until there is a process. */
  readonly init_process_pid: number;
  /** Its start, in clock ticks after boot. */
  readonly init_process_start: number;
  /** RFC 3339, UTC. */
  readonly created: string;
  /** Absolute path of the bundle. */
  readonly bundle: string;
  /** Absolute path of the root file system. */
  readonly rootfs: string;
  /** User id of the creator. */
  readonly ownerUid: number;
  readonly rootless: boolean;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** Host directories of the control group by controller. */
  readonly cgroup_paths: Readonly<Record<string, string>>;
  /** What it takes to go on with the control group; null when there is none. */
  readonly cgroup: CgroupState | null;
  /** The groups of resctrl; left out when there are none. */
  readonly intelRdt?: IntelRdtState | undefined;
  /** The operations from the start on, so that whoever starts can explain a failure. */
  readonly startOperations: { readonly firstIndex: number; readonly operations: readonly RecordedOperation[] };
  /**
   * What its standard streams were when it was made, as links below /proc/self/fd: `pipe:[12345]`. A checkpoint tells of them,
   * so that a restore can put others in their place.
   */
  readonly external_descriptors?: readonly string[] | undefined;
  /** Whether the bundle is removed with the container; left out when it is not. */
  readonly ownsBundle?: true | undefined;
  /** Whether the container has the session keyring of its creator; left out when it has its own. */
  readonly noNewKeyring?: true | undefined;
  /** Whether it sees a socket for a service manager, of which its config says nothing; left out when it does not. */
  readonly hasNotifySocket?: true | undefined;
  /** The config as it was when the container was created. */
  readonly config: Spec;
}
