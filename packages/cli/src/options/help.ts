import type { PositionalTable } from "../command.ts";

/** Shells that `completion` knows. */
export const shells = ["bash", "zsh", "fish"] as const;

export const completionPositionals = {
  shell: { value: "SHELL", summary: "bash, zsh or fish", count: "required", choices: shells },
} as const satisfies PositionalTable;

const command = { value: "COMMAND", summary: "name of a command", count: "repeated", complete: "command" } as const;

export const helpPositionals = { command } as const satisfies PositionalTable;

export const manualPositionals = { command } as const satisfies PositionalTable;
