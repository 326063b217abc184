import type { OptionTable } from "../command.ts";

/** What a config.json that is made of something else can be told to say. */
export const configOptions = {
  env: { type: "strings", short: "e", value: "NAME=VALUE", summary: "set an environment variable; may be repeated" },
  cwd: { type: "string", value: "DIR", summary: "working directory in the container" },
  hostname: { type: "string", value: "NAME", summary: "host name of the container" },
  memory: { type: "string", value: "BYTES", summary: "memory limit; k, m, g or t may follow the number" },
  mount: {
    type: "strings",
    value: "SOURCE:DESTINATION[:OPTIONS]",
    summary: "bind a directory or file of the host, with options such as ro; may be repeated",
  },
  terminal: { type: "boolean", short: "t", summary: "give the process a terminal" },
} as const satisfies OptionTable;
