import type { OptionTable } from "../command.ts";

/** The options that stand before the command. */
export const globalOptions = {
  debug: { type: "boolean", summary: "log what is done, too" },
  log: {
    type: "string",
    value: "FILE",
    summary: "append log lines to FILE (default: standard error)",
    complete: "file",
  },
  "log-format": {
    type: "string",
    value: "FORMAT",
    summary: "how a log line looks: text or json",
    choices: ["text", "json"],
    default: "text",
  },
  "log-level": {
    type: "string",
    value: "LEVEL",
    summary: "the least important lines to log: error, warning, info or debug",
    choices: ["error", "warning", "info", "debug"],
    default: "info",
  },
  root: {
    type: "string",
    value: "DIR",
    summary: "directory of the containers' states (default: /run/runlet, or $XDG_RUNTIME_DIR/runlet of a user)",
    complete: "directory",
  },
  "systemd-cgroup": {
    type: "boolean",
    summary: 'let systemd manage control groups; cgroupsPath is then "slice:prefix:name"',
  },
  "cgroup-manager": {
    type: "string",
    value: "MANAGER",
    summary: "who manages control groups: cgroupfs, systemd or disabled",
    choices: ["cgroupfs", "systemd", "disabled"],
  },
  "allow-annotation": {
    type: "strings",
    value: "NAME",
    summary: "let an annotation of the config act; NAME. stands for all that begin with it (see features)",
  },
  "helper-timeout": {
    type: "duration",
    value: "DURATION",
    summary: "give up what makes no progress for so long, besides hooks; 0 for never",
    default: "60s",
  },
  rootless: {
    type: "auto-boolean",
    value: "WHEN",
    summary: "leave out what an ordinary user may not do: true, false or auto",
    default: "auto",
  },
} as const satisfies OptionTable;

/** Type of {@link globalOptions}. */
export type GlobalOptions = typeof globalOptions;
