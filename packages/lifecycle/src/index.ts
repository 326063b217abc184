export type { CheckpointOptions, ManageCgroupsMode, RestoreOptions } from "./checkpoint/options.ts";
export { Container } from "./container.ts";
export { checkContainerId } from "./container-id.ts";
export type { ExecOptions, ExecUser } from "./exec-options.ts";
export { ExecProcess } from "./exec-process.ts";
export { features } from "./features.ts";
export type { ImageBundle, ImageChanges, ImageCreateOptions, ImageProvider, ImageRequest } from "./image-provider.ts";
export type { SchemataUpdate } from "./intel-rdt.ts";
export type {
  ContainerState,
  ContainerStats,
  ContainerStatus,
  ContainerStreams,
  CreateOptions,
  ExitInfo,
  LoadOptions,
  RuntimeOptions,
  Stdio,
  Warning,
} from "./options.ts";
export type { RunOptions, RunResult } from "./run.ts";
export { type PlanOptions, Runtime } from "./runtime.ts";
export { signalName, signalNumber } from "./signal-name.ts";
