import type { OptionTable, PositionalTable } from "../command.ts";
import { configOptions } from "./config.ts";
import { bundleOption } from "./create.ts";

export const specOptions = {
  ...bundleOption,
  rootless: { type: "boolean", summary: "for an ordinary user: with a user namespace and without what needs root" },
  file: {
    type: "string",
    short: "f",
    value: "FILE",
    summary: "file to write, in the bundle if the path is relative; - for standard output",
    default: "config.json",
    complete: "file",
  },
} as const satisfies OptionTable;

export const bundleOptions = {
  from: {
    type: "strings",
    value: "PATH[:PLACE]|container:ID",
    summary:
      "an executable, file, directory or tar archive, and where it goes in the container; or the files of another container; may be repeated",
    complete: "file",
  },
  sha256: { type: "string", value: "HEX", summary: "digest that the archive must have" },
  args: { type: "strings", value: "ARG", summary: "program or one of its arguments; repeat for each" },
  ...configOptions,
  user: { type: "string", short: "u", value: "UID[:GID]", summary: "user and group in the container, by number" },
  writable: { type: "boolean", summary: "let the container write to its root file system" },
} as const satisfies OptionTable;

export const bundlePositionals = {
  dir: {
    value: "DIR",
    summary: "directory of the new bundle; may exist, without a rootfs or config.json",
    count: "required",
    complete: "directory",
  },
} as const satisfies PositionalTable;

export const validateOptions = {
  json: { type: "boolean", summary: "print an array of issues as JSON" },
} as const satisfies OptionTable;

export const validatePositionals = {
  source: {
    value: "BUNDLE|FILE|-",
    summary: "a bundle, a config file, or - for standard input; the current directory if left out",
    count: "optional",
    complete: "file",
  },
} as const satisfies PositionalTable;

export const planOptions = {
  config: {
    type: "string",
    short: "f",
    value: "FILE",
    summary: "config file (default: config.json in the bundle)",
    complete: "file",
  },
  json: { type: "boolean", summary: "print the plan as JSON" },
  "no-pivot": {
    type: "boolean",
    summary: "change the root with MS_MOVE and chroot(2), for a root file system on a ramfs",
  },
  "no-new-keyring": { type: "boolean", summary: "keep the caller's session keyring" },
} as const satisfies OptionTable;

export const planPositionals = {
  bundle: {
    value: "BUNDLE",
    summary: "directory of the bundle; the current directory if left out",
    count: "optional",
    complete: "directory",
  },
} as const satisfies PositionalTable;
