import type { OptionTable, PositionalTable } from "../command.ts";
import { createOptions, newContainerId } from "./create.ts";

/** The options of `run` that are for containers of images alone. */
export const imageRunOptions = {
  image: { type: "string", value: "IMAGE", summary: "run an image, which is fetched if the store has it not" },
  rm: { type: "boolean", summary: "delete the container of an image, with its files, when it ends" },
  pull: {
    type: "string",
    value: "WHEN",
    summary: "when the image is fetched: missing, always or never",
    choices: ["missing", "always", "never"],
    default: "missing",
  },
  store: {
    type: "string",
    value: "DIR",
    summary: "directory of the image store (default: /var/lib/runlet, or ~/.local/share/runlet for users)",
    complete: "directory",
  },
  entrypoint: {
    type: "strings",
    value: "ARG",
    summary: "program of the container, or its next argument; repeat for each",
  },
  args: { type: "strings", value: "ARG", summary: "argument of the program, as after CONTAINER-ID; repeat for each" },
  env: { type: "strings", short: "e", value: "NAME=VALUE", summary: "set an environment variable; may be repeated" },
  cwd: { type: "string", value: "DIR", summary: "working directory in the container" },
  user: { type: "string", short: "u", value: "USER[:GROUP]", summary: "user and group, by name or number" },
  hostname: { type: "string", value: "NAME", summary: "host name of the container" },
  memory: { type: "string", value: "BYTES", summary: "memory limit; k, m, g or t may follow the number" },
  mount: {
    type: "strings",
    value: "SOURCE:DESTINATION[:OPTIONS]",
    summary: "bind a directory or file of the host, with options such as ro; may be repeated",
  },
  terminal: { type: "boolean", short: "t", summary: "give the process a terminal" },
  "read-only": { type: "boolean", summary: "do not let the container write to its root file system" },
} as const satisfies OptionTable;

export const runOptions = {
  ...createOptions,
  detach: { type: "boolean", short: "d", summary: "return as soon as the process runs" },
  keep: { type: "boolean", summary: "do not delete the container when it ends" },
  "no-subreaper": { type: "boolean", summary: "do not adopt and reap orphaned processes of the container" },
  ...imageRunOptions,
} as const satisfies OptionTable;

export const runPositionals = {
  ...newContainerId,
  args: { value: "ARG", summary: "program and arguments, or arguments of the image's program", count: "repeated" },
} as const satisfies PositionalTable;
