import type { Spec } from "@runlet/spec";
import type { Stdio } from "../options.ts";

/** What becomes of control groups: `soft` makes those that are missing, `full` sets their properties too. @see criu(8) */
export type ManageCgroupsMode = "soft" | "full" | "strict" | "ignore";

/** What a checkpoint and a restore have in common; where it says "allow", what it allows must hold for both. */
interface CriuOptions {
  /** Directory of the image files. */
  readonly imagePath: string;
  /** Directory of CRIU's logs and statistics. Default: that of the image files. */
  readonly workPath?: string;
  /** Allow open TCP connections. */
  readonly tcpEstablished?: boolean;
  /** Allow Unix sockets whose other end is outside of the container. */
  readonly extUnixSk?: boolean;
  /** Allow a terminal that is not the container's own. */
  readonly shellJob?: boolean;
  /** Allow file locks. */
  readonly fileLocks?: boolean;
  /** Leave the pages of the memory behind, to be fetched when they are touched, userfaultfd(2). */
  readonly lazyPages?: boolean;
  /** Default: CRIU's own, `soft`. */
  readonly manageCgroupsMode?: ManageCgroupsMode;
  /** Namespaces whose contents are left out: somebody else sets them up. */
  readonly emptyNamespaces?: readonly "network"[];
  /** Free the pages in the parent image that are in this one too; on a restore, those that have been restored. */
  readonly autoDedup?: boolean;
  /** Absolute path of CRIU. Default: `criu` in the PATH. */
  readonly criuPath?: string;
}

/** Options of `Container.checkpoint`. */
export interface CheckpointOptions extends CriuOptions {
  /** An earlier image that this one builds on; a relative path, from `imagePath`. */
  readonly parentPath?: string;
  /** Let the container go on. Default: it is ended and deleted. */
  readonly leaveRunning?: boolean;
  /** Leave out TCP connections that are still being made. */
  readonly tcpSkipInFlight?: boolean;
  /** Allow files that are open and have no name any more. */
  readonly linkRemap?: boolean;
  /** Descriptor that gets a NUL byte and is closed when lazy pages are ready. */
  readonly statusFd?: number;
  /** Send the pages of the memory to a `criu page-server`. */
  readonly pageServer?: { readonly address: string; readonly port: number };
  /** Save the memory alone, for a later checkpoint to build on, and let the container go on. */
  readonly preDump?: boolean;
}

/** Options of `Runtime.restore`. */
export interface RestoreOptions extends CriuOptions {
  /** Directory that holds config.json and the root file system. */
  readonly bundle: string;
  /** The config, instead of the bundle's config.json. */
  readonly config?: Spec;
  /** Path of the config file, instead of `config.json` in the bundle. */
  readonly configPath?: string;
  /** What takes the place of those of its standard streams that were pipes. Default `pipe`. Not used with a terminal. */
  readonly stdio?: Stdio;
  /** Path of a Unix socket that receives the terminal's main end (SCM_RIGHTS), for a config with `process.terminal`. */
  readonly consoleSocket?: string;
  /** File that receives the process id. */
  readonly pidFile?: string;
  /** `TYPE:NAME` of a security profile that takes the place of the image's; CRIU 3.16. */
  readonly lsmProfile?: string;
  /** SELinux mount context that takes the place of the image's; CRIU 3.16. */
  readonly lsmMountContext?: string;
  /** Kills the container and deletes it when it fires, whatever its state. */
  readonly signal?: AbortSignal;
}
