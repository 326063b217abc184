import type { OptionTable, PositionalTable } from "../command.ts";

export const listOptions = {
  format: {
    type: "string",
    short: "f",
    value: "FORMAT",
    summary: "table or json",
    choices: ["table", "json"],
    default: "table",
  },
  quiet: { type: "boolean", short: "q", summary: "print nothing but the ids" },
} as const satisfies OptionTable;

const regexOption = {
  regex: { type: "boolean", summary: "CONTAINER-ID is a regular expression that stands for all ids that it matches" },
} as const satisfies OptionTable;

export const killOptions = {
  all: { type: "boolean", short: "a", summary: "send the signal to every process of the container", hidden: true },
  ...regexOption,
} as const satisfies OptionTable;

export const killPositionals = {
  id: { value: "CONTAINER-ID", summary: "name of the container", count: "required", complete: "container" },
  signal: {
    value: "SIGNAL",
    summary: "name, with or without SIG, or number; SIGTERM if left out",
    count: "optional",
    complete: "signal",
  },
} as const satisfies PositionalTable;

export const deleteOptions = {
  force: { type: "boolean", short: "f", summary: "kill the container first, with SIGKILL; no error if there is none" },
  ...regexOption,
} as const satisfies OptionTable;
