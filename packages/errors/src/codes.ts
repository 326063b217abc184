/**
 * Every code that a {@link RunletError} can carry. Codes are API: they are added, never renamed.
 *
 * By whose fault: `usage` is a wrong call, `config` what a bundle's config.json says, `state` what a container is at the
 * moment, `host` what this machine does not offer, `container` what lies in the root filesystem.
 */
export const errorCodes = {
  ERR_RUNLET_USAGE: "usage",
  ERR_RUNLET_UNSUPPORTED: "usage",
  ERR_RUNLET_INVALID_ID: "usage",
  ERR_RUNLET_INVALID_SIGNAL: "usage",
  ERR_RUNLET_CONFIG_MISSING: "config",
  ERR_RUNLET_CONFIG_SYNTAX: "config",
  ERR_RUNLET_CONFIG_INVALID: "config",
  ERR_RUNLET_BUNDLE: "config",
  ERR_RUNLET_ROOTFS: "config",
  ERR_RUNLET_MOUNT: "config",
  ERR_RUNLET_DEVICE: "config",
  ERR_RUNLET_NAMESPACE: "config",
  ERR_RUNLET_ID_MAPPING: "config",
  ERR_RUNLET_SECCOMP: "config",
  ERR_RUNLET_SYSCTL: "config",
  ERR_RUNLET_HOOK: "config",
  ERR_RUNLET_PROCESS: "config",
  ERR_RUNLET_EXEC: "container",
  ERR_RUNLET_EXISTS: "state",
  ERR_RUNLET_NOT_FOUND: "state",
  ERR_RUNLET_STATE: "state",
  ERR_RUNLET_LOCKED: "state",
  ERR_RUNLET_TERMINAL: "usage",
  ERR_RUNLET_CGROUP: "host",
  ERR_RUNLET_NOT_ROOT: "host",
  ERR_RUNLET_HOST: "host",
  ERR_RUNLET_SYSTEMD: "host",
  ERR_RUNLET_TIMEOUT: "host",
  ERR_RUNLET_ABORTED: "usage",
  ERR_RUNLET_INIT: "host",
  ERR_RUNLET_ARCHIVE: "container",
  ERR_RUNLET_EXECUTABLE: "container",
  ERR_RUNLET_NETWORK: "config",
  ERR_RUNLET_IMAGE: "config",
  ERR_RUNLET_REGISTRY: "host",
  ERR_RUNLET_STORE: "host",
  ERR_RUNLET_CHECKPOINT: "host",
} as const;

/** A stable error code. */
export type ErrorCode = keyof typeof errorCodes;
