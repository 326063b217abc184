import type { OptionTable, PositionalTable } from "../command.ts";

/** The positional argument of nearly every command. */
export const containerId = {
  id: { value: "CONTAINER-ID", summary: "name of the container", count: "required", complete: "container" },
} as const satisfies PositionalTable;

/** The same for a container that does not exist yet. */
export const newContainerId = {
  id: { value: "CONTAINER-ID", summary: "name of the new container, unique on this host", count: "required" },
} as const satisfies PositionalTable;

export const bundleOption = {
  bundle: {
    type: "string",
    short: "b",
    value: "DIR",
    summary: "directory of the bundle",
    default: ".",
    complete: "directory",
  },
} as const satisfies OptionTable;

export const terminalOptions = {
  "console-socket": {
    type: "string",
    value: "SOCKET",
    summary: "Unix socket that receives the main end of the terminal",
    complete: "file",
  },
  "pidfd-socket": {
    type: "string",
    value: "SOCKET",
    summary: "Unix socket that receives a pidfd of the process",
    complete: "file",
  },
  "pid-file": { type: "string", value: "FILE", summary: "file to write the process id to", complete: "file" },
  "preserve-fds": {
    type: "integer",
    value: "N",
    summary: "pass N descriptors from 3 on to the process",
    minimum: 0,
    default: 0,
  },
} as const satisfies OptionTable;

export const createOptions = {
  ...bundleOption,
  config: {
    type: "string",
    short: "f",
    value: "FILE",
    summary: "config file (default: config.json in the bundle)",
    complete: "file",
  },
  ...terminalOptions,
  "no-pivot": {
    type: "boolean",
    summary: "change the root with MS_MOVE and chroot(2), for a root file system on a ramfs",
  },
  "no-new-keyring": { type: "boolean", summary: "keep the caller's session keyring" },
} as const satisfies OptionTable;
