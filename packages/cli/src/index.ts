export type { Command, Completion, Option, OptionTable, OptionType, Positional, PositionalTable } from "./command.ts";
export { commands, findCommand } from "./commands.ts";
export { formatCompletion } from "./completion/index.ts";
export { formatHelp } from "./help.ts";
export { formatManual, manualPages } from "./manual.ts";
export { globalOptions } from "./options/global.ts";
export { type Host, runProgram } from "./program.ts";
