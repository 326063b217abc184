export { type ActionWord, actionValues, formatAction, readAction } from "./action.ts";
export { type Architecture, architectures, toNativeArch } from "./architecture.ts";
export type { FilterCache } from "./cache.ts";
export { type CompiledSeccomp, type CompileOptions, compileSeccomp } from "./compile.ts";
export { disassemble } from "./disassemble.ts";
export { type ExplainedCall, type ExplainOptions, type Explanation, explain } from "./explain.ts";
export { type FilterResult, runFilter, type SeccompData } from "./interpreter.ts";
export type { SeccompWarning } from "./policy.ts";
export { findSyscallName, findSyscallNumber } from "./syscall-number.ts";
