export { helperHostPath } from "./binding.ts";
export * from "./extended-attribute.ts";
export * from "./file.ts";
export * from "./file-flags.ts";
export type * from "./file-types.ts";
export {
  getWindowSize,
  isatty,
  keepNewlines,
  makeRaw,
  relayTerminal,
  restoreTerminal,
  setWindowSize,
  type TerminalMode,
  type TerminalRelay,
  type TerminalRelayOptions,
  type WindowSize,
} from "./terminal.ts";
