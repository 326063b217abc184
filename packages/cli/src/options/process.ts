import type { OptionTable, PositionalTable } from "../command.ts";
import { terminalOptions } from "./create.ts";

export const execOptions = {
  cwd: { type: "string", value: "DIR", summary: "working directory in the container" },
  env: { type: "strings", short: "e", value: "NAME=VALUE", summary: "set an environment variable; may be repeated" },
  tty: { type: "boolean", short: "t", summary: "give the process a terminal" },
  user: { type: "string", short: "u", value: "UID[:GID]", summary: "user and group, by number" },
  "additional-gids": { type: "strings", short: "g", value: "GID", summary: "add a group; may be repeated" },
  process: {
    type: "string",
    short: "p",
    value: "FILE",
    summary: "the process as JSON, as in config.json",
    complete: "file",
  },
  detach: { type: "boolean", short: "d", summary: "return as soon as the process runs" },
  "process-label": { type: "string", value: "LABEL", summary: "SELinux label of the process" },
  apparmor: { type: "string", value: "PROFILE", summary: "AppArmor profile of the process" },
  "no-new-privs": { type: "boolean", summary: "let the process gain no privileges" },
  cap: { type: "strings", short: "c", value: "CAP", summary: "add a capability; may be repeated" },
  ...terminalOptions,
  cgroup: {
    type: "strings",
    value: "[CONTROLLERS:]PATH",
    summary: "control group below the container's that takes the process; may be repeated on cgroup v1",
  },
  "ignore-paused": { type: "boolean", summary: "allow it in a paused container" },
} as const satisfies OptionTable;

export const execPositionals = {
  id: { value: "CONTAINER-ID", summary: "name of the container", count: "required", complete: "container" },
  args: { value: "COMMAND", summary: "program and its arguments, unless --process gives them", count: "repeated" },
} as const satisfies PositionalTable;

export const psOptions = {
  format: {
    type: "string",
    short: "f",
    value: "FORMAT",
    summary: "table or json",
    choices: ["table", "json"],
    default: "table",
  },
} as const satisfies OptionTable;

export const psPositionals = {
  id: { value: "CONTAINER-ID", summary: "name of the container", count: "required", complete: "container" },
  psArgs: { value: "PS-OPTION", summary: "options for ps(1); -ef if left out", count: "repeated" },
} as const satisfies PositionalTable;

export const eventsOptions = {
  interval: { type: "duration", value: "DURATION", summary: "time between two readings", default: "5s" },
  stats: { type: "boolean", summary: "print one reading and end" },
} as const satisfies OptionTable;

export const updateOptions = {
  resources: {
    type: "string",
    short: "r",
    value: "FILE",
    summary: "linux.resources as JSON, - for standard input",
    complete: "file",
  },
  "blkio-weight": { type: "integer", value: "WEIGHT", summary: "share of block I/O, 10 to 1000", minimum: 0 },
  "cpu-period": { type: "string", value: "MICROSECONDS", summary: "period of the CPU limit" },
  "cpu-quota": { type: "string", value: "MICROSECONDS", summary: "CPU time in a period, -1 for no limit" },
  "cpu-burst": { type: "string", value: "MICROSECONDS", summary: "CPU time that may be saved up for later periods" },
  "cpu-share": { type: "string", value: "SHARES", summary: "CPU time in relation to other containers" },
  "cpu-rt-period": { type: "string", value: "MICROSECONDS", summary: "period of the realtime limit" },
  "cpu-rt-runtime": { type: "string", value: "MICROSECONDS", summary: "realtime CPU time in a period" },
  "cpu-idle": { type: "string", value: "0|1", summary: "1 for SCHED_IDLE" },
  "cpuset-cpus": { type: "string", value: "LIST", summary: "CPUs to run on: 0-3,7" },
  "cpuset-mems": { type: "string", value: "LIST", summary: "memory nodes to use" },
  memory: { type: "string", value: "BYTES", summary: "memory limit; k, m and g may follow the number" },
  "memory-reservation": { type: "string", value: "BYTES", summary: "soft memory limit" },
  "memory-swap": { type: "string", value: "BYTES", summary: "limit of memory and swap together, -1 for none" },
  "pids-limit": { type: "integer", value: "N", summary: "limit of processes, -1 for none" },
  "l3-cache-schema": { type: "string", value: "SCHEMA", summary: "Intel RDT: L3 cache" },
  "mem-bw-schema": { type: "string", value: "SCHEMA", summary: "Intel RDT: memory bandwidth" },
} as const satisfies OptionTable;
