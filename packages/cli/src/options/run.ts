import type { OptionTable, PositionalTable } from "../command.ts";
import { configOptions } from "./config.ts";
import { createOptions, newContainerId } from "./create.ts";
import { sourceOptions, storeOption } from "./image.ts";

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
  ...storeOption,
  ...sourceOptions,
  entrypoint: {
    type: "strings",
    value: "ARG",
    summary: "program of the container, or its next argument; repeat for each",
  },
  args: { type: "strings", value: "ARG", summary: "argument of the program, as after CONTAINER-ID; repeat for each" },
  ...configOptions,
  user: { type: "string", short: "u", value: "USER[:GROUP]", summary: "user and group, by name or number" },
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
