import type { Cgroup } from "@runlet/cgroups";
import type { ChildProcess } from "@runlet/syscall";
import type { ImageProvider } from "./image-provider.ts";
import type { ContainerStreams, Warning } from "./options.ts";
import type { StateDirectory } from "./state-directory.ts";
import type { StateRecord } from "./state-record.ts";

/** What a `Container` is made of. */
export interface ContainerParts {
  readonly directory: StateDirectory;
  /** Null when its creation ended before there was one. */
  readonly record: StateRecord | null;
  readonly warn: (warning: Warning) => void;
  /** Its control group, if that is at hand; else it is found by the record. */
  readonly cgroup?: Cgroup | null;
  /** Its process, if it is this process's child; the pidfd becomes the container's. */
  readonly child?: ChildProcess;
  readonly streams?: ContainerStreams | null;
  /** The main end of its terminal, which becomes the container's. */
  readonly terminalFd?: number | null;
  readonly signal?: AbortSignal | undefined;
  /** How long the helper may say nothing while the container is started. Default 60 s. */
  readonly helperTimeoutMs?: number | undefined;
  /** Names of annotations that may act, as the runtime was told. Default none. */
  readonly allowedAnnotations?: readonly string[] | undefined;
  /** Who removes its bundle, where that is its own. */
  readonly images?: ImageProvider | undefined;
}
