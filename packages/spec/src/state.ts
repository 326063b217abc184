import type { Int64 } from "./integer.ts";

/** What a container's status can be; `paused` is one that runtimes add to the specification's four. (runtime.md#state) */
export const containerStatuses = ["creating", "created", "running", "paused", "stopped"] as const;

/** Status of a container. */
export type ContainerStatus = (typeof containerStatuses)[number];

/**
 * State of a container: what the `state` command prints and hooks read.
 *
 * @see runtime.md#state
 */
export interface State {
  /** Version of the specification that the state complies with. */
  ociVersion: string;
  /** The container's id, unique on the host. */
  id: string;
  /** Status. */
  status: ContainerStatus;
  /** The container's process as the host sees it. REQUIRED on Linux when `created` or `running`. */
  pid?: Int64;
  /** Absolute path of the bundle. */
  bundle: string;
  /** The config's annotations. */
  annotations?: Record<string, string>;
}

/**
 * What is sent with the descriptors to {@link LinuxSeccomp.listenerPath}.
 *
 * @see config-linux.md#the-container-process-state
 */
export interface ContainerProcessState {
  /** Version of the specification that the message complies with. */
  ociVersion: string;
  /** Names of the descriptors, in their order in the message. */
  fds: string[];
  /** Process as the runtime sees it. */
  pid: Int64;
  /** `listenerMetadata` of the config. */
  metadata?: string;
  /** State of the container. */
  state: State;
}

/** Name of the seccomp listener's descriptor in {@link ContainerProcessState.fds}. */
export const seccompFdName = "seccompFd";
