import type { Readable, Writable } from "node:stream";
import type { CgroupStats, IntelRdtStats } from "@runlet/cgroups";
import type { Spec } from "@runlet/spec";
import type { ImageProvider } from "./image-provider.ts";

/** Options of {@link Runtime}. */
export interface RuntimeOptions {
  /** Directory of the containers' states. Default `/run/runlet`, or `$XDG_RUNTIME_DIR/runlet` when not root. */
  readonly root?: string;
  /** Who manages control groups. Default `cgroupfs`. */
  readonly cgroupManager?: "cgroupfs" | "systemd" | "disabled";
  /**
   * Whether what an unprivileged user may not do is left out instead of refused. Default `auto`: when the effective user
   * is not root, or is root of a user namespace.
   */
  readonly rootless?: boolean | "auto";
  /** Names of annotations that may act; a name that ends in `.` stands for all that begin with it. Default none. */
  readonly allowedAnnotations?: readonly string[];
  /** Where images come from, for containers that are created from one. Default: nowhere. */
  readonly images?: ImageProvider;
  /** Receives what is worth saying and no error: an unknown field, something that does not hold. Default: nothing. */
  readonly onWarning?: (warning: Warning) => void;
}

/** Something worth saying that is no error. */
export interface Warning {
  readonly message: string;
  /** JSON Pointer of the config entry. */
  readonly pointer?: string;
  /** What the pointer points into. Default `config.json`. */
  readonly document?: string;
  /** Line of the config entry in its file, from 1. */
  readonly line?: number;
  /** Column of the config entry, from 1. */
  readonly column?: number;
}

/**
 * Standard streams of a container: `inherit` passes the caller's on, `null` is /dev/null, `pipe` gives Node streams; or a
 * descriptor for each of 0, 1 and 2, which stays the caller's.
 */
export type Stdio = "inherit" | "null" | "pipe" | readonly [number, number, number];

/** Options of {@link Runtime.create}. */
export interface CreateOptions {
  /** Directory that holds config.json and the root file system. */
  readonly bundle: string;
  /** The config, instead of the bundle's config.json. */
  readonly config?: Spec;
  /** Path of the config file, instead of `config.json` in the bundle. */
  readonly configPath?: string;
  /** Whether the bundle is the container's, and is removed with it. Default false. */
  readonly ownsBundle?: boolean;
  /** Default `pipe`. Not used with a terminal. */
  readonly stdio?: Stdio;
  /** Path of a Unix socket that receives the terminal's main end (SCM_RIGHTS), for a config with `process.terminal`. */
  readonly consoleSocket?: string;
  /** Path of a Unix socket that receives a pidfd of the container's process. */
  readonly pidfdSocket?: string;
  /** File that receives the process id, written before create returns. */
  readonly pidFile?: string;
  /** chroot(2) and MS_MOVE instead of pivot_root(2), for a root on a ramfs. */
  readonly noPivot?: boolean;
  /** Leaves the session keyring as it is. */
  readonly noNewKeyring?: boolean;
  /** How many descriptors from 3 on are passed to the container. Default 0. */
  readonly preserveFds?: number;
  /**
   * How many descriptors from 3 on a service manager has passed (sd_listen_fds(3)). The container gets them at the same
   * numbers, before those of `preserveFds`, and LISTEN_FDS and LISTEN_PID in the environment of its process. Default 0.
   */
  readonly listenFds?: number;
  /** Names of these descriptors, for LISTEN_FDNAMES. */
  readonly listenFdNames?: string;
  /** Shows the process a socket, by NOTIFY_SOCKET, on which it can say that it is ready: see `Runtime.openReadinessRelay`. */
  readonly hasNotifySocket?: boolean;
  /**
   * How long making or starting the container may come to nothing, in ms, besides what hooks take: then it is given up
   * (`ERR_RUNLET_TIMEOUT`). Infinity for no limit. Default 60 s.
   */
  readonly helperTimeoutMs?: number;
  /** Kills the container and deletes it when it fires, whatever its state. */
  readonly signal?: AbortSignal;
}

/** Options of {@link Runtime.load}. */
export interface LoadOptions {
  /**
   * How long a start of the container may come to nothing, in ms, besides what startContainer hooks take: then it is given up
   * (`ERR_RUNLET_TIMEOUT`). Infinity for no limit. Default 60 s.
   */
  readonly helperTimeoutMs?: number;
}

/** How a process ended. */
export interface ExitInfo {
  /** Exit status, or null when a signal ended it. */
  readonly exitCode: number | null;
  /** Name of the signal (`SIGKILL`), or null. */
  readonly signal: string | null;
  /** Whether the control group's memory limit killed a process of the container. */
  readonly oomKilled: boolean;
}

/** Standard streams of a container that was created with `stdio: "pipe"`. */
export interface ContainerStreams {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
}

/** Where a container is in its life. @see runtime.md#state */
export type ContainerStatus = "creating" | "created" | "running" | "paused" | "stopped";

/** What a container has and uses, in the shape of runc's `events --stats`. */
export interface ContainerStats extends CgroupStats {
  /** Its class of service and monitoring group of resctrl; empty when it has none. */
  readonly intel_rdt: IntelRdtStats;
}

/** What `state` and `list` print, keys in this order. */
export interface ContainerState {
  readonly ociVersion: string;
  readonly id: string;
  /** In the caller's pid namespace; 0 when stopped. */
  readonly pid: number;
  readonly status: ContainerStatus;
  readonly bundle: string;
  readonly rootfs: string;
  /** RFC 3339 with nanoseconds, UTC. */
  readonly created: string;
  /** Name of the user who created it. */
  readonly owner: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Present on a stopped container whose memory limit has killed a process. */
  readonly oomKilled?: boolean;
}
