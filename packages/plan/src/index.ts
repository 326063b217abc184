export { compile } from "./compile.ts";
export {
  cloneFlags,
  type EncodeOptions,
  encode,
  operationAt,
  operationCodes,
} from "./encode.ts";
export { type CompileExecOptions, compileExec, namespaceFiles } from "./exec.ts";
export { formatPlan, type JsonValue, planToJson } from "./format.ts";
export { hookKinds, hookOperations, poststopHooks } from "./hooks.ts";
export type { HostCgroupHierarchy, HostCgroups, HostFacts } from "./host-facts.ts";
export {
  type CapabilityName,
  CLONE_NEW,
  capabilityNames,
  MOUNT_ATTR,
  type MountAttribute,
  MS_PROPAGATION,
  type NamespaceType,
  namespaceTypes,
  type PropagationFlag,
} from "./kernel.ts";
export { mountOptionNames } from "./mount-options.ts";
export * from "./operation.ts";
export type { CompileCgroup, CompileIntelRdt, CompileOptions } from "./options.ts";
export { type ContainerName, renamePlan } from "./rename.ts";
export { type ExecAffinity, execAffinity, memoryPolicyFlagNames, memoryPolicyModeNames } from "./scheduling.ts";
export { firstSyscalls, helperOperations, type SyscallPattern, syscallsOf } from "./syscalls.ts";
