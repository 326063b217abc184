import type { OptionTable } from "../command.ts";
import { bundleOption } from "./create.ts";

const sharedOptions = {
  "image-path": { type: "string", value: "DIR", summary: "directory of the image files", complete: "directory" },
  "work-path": { type: "string", value: "DIR", summary: "directory of work files and logs", complete: "directory" },
  "tcp-established": { type: "boolean", summary: "allow open TCP connections" },
  "ext-unix-sk": { type: "boolean", summary: "allow Unix sockets that lead outside" },
  "shell-job": { type: "boolean", summary: "allow a terminal from outside" },
  "lazy-pages": { type: "boolean", summary: "bring memory pages only when they are touched, by userfaultfd(2)" },
  "file-locks": { type: "boolean", summary: "allow file locks" },
  "manage-cgroups-mode": {
    type: "string",
    value: "MODE",
    summary: "what becomes of control groups: soft, full, strict or ignore",
    choices: ["soft", "full", "strict", "ignore"],
  },
  "empty-ns": { type: "strings", value: "NAMESPACE", summary: "leave out the contents of a namespace: network" },
  "auto-dedup": { type: "boolean", summary: "drop memory pages from the image that are there twice" },
} as const satisfies OptionTable;

export const checkpointOptions = {
  ...sharedOptions,
  "parent-path": {
    type: "string",
    value: "DIR",
    summary: "earlier image that a pre-dump builds on",
    complete: "directory",
  },
  "leave-running": { type: "boolean", summary: "let the container go on" },
  "tcp-skip-in-flight": { type: "boolean", summary: "leave out TCP connections that are still being made" },
  "link-remap": { type: "boolean", summary: "allow files that are open and have no name" },
  "status-fd": {
    type: "integer",
    value: "FD",
    summary: "descriptor that gets a NUL byte when lazy pages are ready",
    default: -1,
  },
  "page-server": { type: "string", value: "ADDRESS:PORT", summary: "send memory pages there" },
  "pre-dump": { type: "boolean", summary: "save memory only and let the container go on" },
} as const satisfies OptionTable;

export const restoreOptions = {
  ...sharedOptions,
  ...bundleOption,
  "console-socket": {
    type: "string",
    value: "SOCKET",
    summary: "Unix socket that receives the main end of the terminal",
    complete: "file",
  },
  detach: { type: "boolean", short: "d", summary: "return as soon as the process runs" },
  "pid-file": { type: "string", value: "FILE", summary: "file to write the process id to", complete: "file" },
  "no-subreaper": { type: "boolean", summary: "do not adopt and reap orphaned processes of the container" },
  "no-pivot": {
    type: "boolean",
    summary: "change the root with MS_MOVE and chroot(2), for a root file system on a ramfs",
  },
  "lsm-profile": {
    type: "string",
    value: "TYPE:NAME",
    summary: "security profile that takes the place of the image's",
  },
  "lsm-mount-context": {
    type: "string",
    value: "CONTEXT",
    summary: "SELinux mount context that takes the place of the image's",
  },
} as const satisfies OptionTable;
