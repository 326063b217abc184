import type { Process } from "@runlet/spec";
import type { Stdio } from "./options.ts";

/** Who a process runs as; ids are those of the container's user namespace. */
export interface ExecUser {
  /** 0 to 2^32 - 2. */
  readonly uid: number;
  /** Default: the config's. */
  readonly gid?: number;
  /** Added to the config's. */
  readonly additionalGids?: readonly number[];
  /** Default: the config's. */
  readonly umask?: number;
}

/** Options of {@link Container.exec}. What is not given is as the container's config has it for its own process. */
export interface ExecOptions {
  /** The program and its arguments. Required unless `process` is given. */
  readonly args?: readonly string[];
  /** `NAME=value`, added to the config's; the last of several values of a variable holds. */
  readonly env?: readonly string[];
  readonly cwd?: string;
  readonly user?: Partial<ExecUser>;
  /** Whether the process gets a terminal of its own. Default false, whatever the config says. */
  readonly tty?: boolean;
  /** Added to the bounding, effective and permitted sets; the inheritable one stays the config's (CVE-2022-29162). */
  readonly capabilities?: readonly string[];
  readonly noNewPrivileges?: boolean;
  readonly apparmorProfile?: string;
  readonly selinuxLabel?: string;
  /**
   * The whole process instead of all above. Capabilities, limits, labels, scheduling and umask that it lacks are the config's, as in runc.
   */
  readonly process?: Process;
  /** Default `pipe`. Not used with a terminal. */
  readonly stdio?: Stdio;
  /** Path of a Unix socket that receives the terminal's main end (SCM_RIGHTS). */
  readonly consoleSocket?: string;
  /** Path of a Unix socket that receives a pidfd of the process. */
  readonly pidfdSocket?: string;
  /** File that receives the process id. */
  readonly pidFile?: string;
  /** How many descriptors from 3 on are passed to the process. Default 0. */
  readonly preserveFds?: number;
  /**
   * `PATH` below the container's control group, or `CONTROLLER[,CONTROLLER]:PATH` for single hierarchies of v1: a control
   * group that is there.
   */
  readonly cgroup?: readonly string[];
  /** Goes ahead in a paused container: the process runs when that is resumed. Default false. */
  readonly ignorePaused?: boolean;
  /**
   * How long making the process may come to nothing, in ms: then it is given up (`ERR_RUNLET_TIMEOUT`). Infinity for no
   * limit. Default 60 s; without a limit with `ignorePaused`.
   */
  readonly helperTimeoutMs?: number;
  /** Breaks off what is being made; the process is killed when it fires later. */
  readonly signal?: AbortSignal;
}
