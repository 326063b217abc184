import protobuf from "protobufjs/light.js";

/** A field: its number, its type, and whether there are many of it. A `map` is one of strings to strings. */
type Field = readonly [number: number, type: string, rule?: "repeated"];

/** The messages of the container runtime interface, version 1, that the tests use, and of them the fields that they use. */
const messages: Readonly<Record<string, Readonly<Record<string, Field>>>> = {
  VersionRequest: { version: [1, "string"] },
  VersionResponse: { runtime_name: [2, "string"], runtime_api_version: [4, "string"] },
  RunPodSandboxRequest: { config: [1, "PodSandboxConfig"], runtime_handler: [2, "string"] },
  RunPodSandboxResponse: { pod_sandbox_id: [1, "string"] },
  StopPodSandboxRequest: { pod_sandbox_id: [1, "string"] },
  StopPodSandboxResponse: {},
  RemovePodSandboxRequest: { pod_sandbox_id: [1, "string"] },
  RemovePodSandboxResponse: {},
  PodSandboxStatusRequest: { pod_sandbox_id: [1, "string"], verbose: [2, "bool"] },
  PodSandboxStatusResponse: { status: [1, "PodSandboxStatus"], info: [2, "map"] },
  PodSandboxStatus: {
    id: [1, "string"],
    state: [3, "int32"],
    network: [5, "PodSandboxNetworkStatus"],
    runtime_handler: [9, "string"],
  },
  PodSandboxNetworkStatus: { ip: [1, "string"] },
  PodSandboxConfig: {
    metadata: [1, "PodSandboxMetadata"],
    hostname: [2, "string"],
    log_directory: [3, "string"],
    dns_config: [4, "DNSConfig"],
    labels: [6, "map"],
    annotations: [7, "map"],
    linux: [8, "LinuxPodSandboxConfig"],
  },
  PodSandboxMetadata: { name: [1, "string"], uid: [2, "string"], namespace: [3, "string"], attempt: [4, "uint32"] },
  DNSConfig: { servers: [1, "string", "repeated"], searches: [2, "string", "repeated"] },
  LinuxPodSandboxConfig: {
    cgroup_parent: [1, "string"],
    security_context: [2, "LinuxSandboxSecurityContext"],
    sysctls: [3, "map"],
  },
  LinuxSandboxSecurityContext: {
    namespace_options: [1, "NamespaceOption"],
    run_as_user: [3, "Int64Value"],
    readonly_rootfs: [4, "bool"],
    privileged: [6, "bool"],
    seccomp: [9, "SecurityProfile"],
  },
  NamespaceOption: { network: [1, "int32"], pid: [2, "int32"], ipc: [3, "int32"], target_id: [4, "string"] },
  SecurityProfile: { profile_type: [1, "int32"], localhost_ref: [2, "string"] },
  Int64Value: { value: [1, "int64"] },
  UInt64Value: { value: [1, "uint64"] },

  CreateContainerRequest: {
    pod_sandbox_id: [1, "string"],
    config: [2, "ContainerConfig"],
    sandbox_config: [3, "PodSandboxConfig"],
  },
  CreateContainerResponse: { container_id: [1, "string"] },
  ContainerConfig: {
    metadata: [1, "ContainerMetadata"],
    image: [2, "ImageSpec"],
    command: [3, "string", "repeated"],
    args: [4, "string", "repeated"],
    working_dir: [5, "string"],
    envs: [6, "KeyValue", "repeated"],
    mounts: [7, "Mount", "repeated"],
    devices: [8, "Device", "repeated"],
    log_path: [11, "string"],
    stdin: [12, "bool"],
    stdin_once: [13, "bool"],
    tty: [14, "bool"],
    linux: [15, "LinuxContainerConfig"],
  },
  ContainerMetadata: { name: [1, "string"], attempt: [2, "uint32"] },
  ImageSpec: { image: [1, "string"] },
  KeyValue: { key: [1, "string"], value: [2, "string"] },
  Mount: {
    container_path: [1, "string"],
    host_path: [2, "string"],
    readonly: [3, "bool"],
    propagation: [5, "int32"],
  },
  Device: { container_path: [1, "string"], host_path: [2, "string"], permissions: [3, "string"] },
  LinuxContainerConfig: {
    resources: [1, "LinuxContainerResources"],
    security_context: [2, "LinuxContainerSecurityContext"],
  },
  LinuxContainerResources: {
    cpu_period: [1, "int64"],
    cpu_quota: [2, "int64"],
    cpu_shares: [3, "int64"],
    memory_limit_in_bytes: [4, "int64"],
    oom_score_adj: [5, "int64"],
    cpuset_cpus: [6, "string"],
    cpuset_mems: [7, "string"],
    unified: [9, "map"],
  },
  LinuxContainerSecurityContext: {
    capabilities: [1, "Capability"],
    privileged: [2, "bool"],
    namespace_options: [3, "NamespaceOption"],
    run_as_user: [5, "Int64Value"],
    run_as_username: [6, "string"],
    readonly_rootfs: [7, "bool"],
    supplemental_groups: [8, "int64", "repeated"],
    no_new_privs: [11, "bool"],
    run_as_group: [12, "Int64Value"],
    masked_paths: [13, "string", "repeated"],
    readonly_paths: [14, "string", "repeated"],
    seccomp: [15, "SecurityProfile"],
  },
  Capability: { add_capabilities: [1, "string", "repeated"], drop_capabilities: [2, "string", "repeated"] },
  StartContainerRequest: { container_id: [1, "string"] },
  StartContainerResponse: {},
  StopContainerRequest: { container_id: [1, "string"], timeout: [2, "int64"] },
  StopContainerResponse: {},
  RemoveContainerRequest: { container_id: [1, "string"] },
  RemoveContainerResponse: {},
  ContainerStatusRequest: { container_id: [1, "string"], verbose: [2, "bool"] },
  ContainerStatusResponse: { status: [1, "ContainerStatus"], info: [2, "map"] },
  ContainerStatus: {
    id: [1, "string"],
    state: [3, "int32"],
    started_at: [5, "int64"],
    finished_at: [6, "int64"],
    exit_code: [7, "int32"],
    reason: [10, "string"],
    message: [11, "string"],
  },
  ListContainersRequest: { filter: [1, "ContainerFilter"] },
  ContainerFilter: { id: [1, "string"], pod_sandbox_id: [3, "string"] },
  ListContainersResponse: { containers: [1, "Container", "repeated"] },
  Container: { id: [1, "string"], pod_sandbox_id: [2, "string"], state: [6, "int32"] },
  UpdateContainerResourcesRequest: { container_id: [1, "string"], linux: [2, "LinuxContainerResources"] },
  UpdateContainerResourcesResponse: {},
  ReopenContainerLogRequest: { container_id: [1, "string"] },
  ReopenContainerLogResponse: {},

  ExecSyncRequest: { container_id: [1, "string"], cmd: [2, "string", "repeated"], timeout: [3, "int64"] },
  ExecSyncResponse: { stdout: [1, "bytes"], stderr: [2, "bytes"], exit_code: [3, "int32"] },
  ExecRequest: {
    container_id: [1, "string"],
    cmd: [2, "string", "repeated"],
    tty: [3, "bool"],
    stdin: [4, "bool"],
    stdout: [5, "bool"],
    stderr: [6, "bool"],
  },
  ExecResponse: { url: [1, "string"] },
  AttachRequest: {
    container_id: [1, "string"],
    stdin: [2, "bool"],
    tty: [3, "bool"],
    stdout: [4, "bool"],
    stderr: [5, "bool"],
  },
  AttachResponse: { url: [1, "string"] },

  ContainerStatsRequest: { container_id: [1, "string"] },
  ContainerStatsResponse: { stats: [1, "ContainerStats"] },
  ContainerStats: { cpu: [2, "CpuUsage"], memory: [3, "MemoryUsage"] },
  CpuUsage: { timestamp: [1, "int64"], usage_core_nano_seconds: [2, "UInt64Value"] },
  MemoryUsage: { timestamp: [1, "int64"], working_set_bytes: [2, "UInt64Value"] },
};

const types = protobuf.Root.fromJSON({
  nested: Object.fromEntries(
    Object.entries(messages).map(([name, fields]) => [
      name,
      { fields: Object.fromEntries(Object.entries(fields).map(([field, what]) => [field, describe(what)])) },
    ]),
  ),
});

function describe([id, type, rule]: Field) {
  if (type === "map") return { id, keyType: "string", type: "string" };
  return rule === undefined ? { id, type } : { id, type, rule };
}

/** The value of a message: its fields by name. */
export interface Message {
  readonly [field: string]: unknown;
}

/** @throws Error for a field that the message does not have here, or whose value is of another type. */
export function encodeMessage(name: string, message: Message): Buffer {
  refuseUnknown(name, message);
  const type = types.lookupType(name);
  const complaint = type.verify(message);
  if (complaint !== null) throw new Error(`${name}: ${complaint}`);
  return Buffer.from(type.encode(type.fromObject(message)).finish());
}

/** Decodes a message; fields that it does not have are at their defaults, numbers of 64 bits are JavaScript's. */
export function decodeMessage(name: string, bytes: Uint8Array): Message {
  const type = types.lookupType(name);
  return type.toObject(type.decode(bytes), { longs: Number, defaults: true, bytes: Buffer });
}

function refuseUnknown(name: string, message: Message): void {
  const fields = messages[name];
  if (fields === undefined) return;
  for (const [field, value] of Object.entries(message)) {
    const [, type] = fields[field] ?? [];
    if (type === undefined) throw new Error(`${name} has no field ${field}`);
    for (const inner of Array.isArray(value) ? value : [value])
      if (typeof inner === "object" && inner !== null) refuseUnknown(type, inner);
  }
}

/** Values of enumerations, by the names of the interface. */
export const NamespaceMode = { POD: 0, CONTAINER: 1, NODE: 2, TARGET: 3 } as const;
export const ProfileType = { RuntimeDefault: 0, Unconfined: 1, Localhost: 2 } as const;
export const MountPropagation = {
  PROPAGATION_PRIVATE: 0,
  PROPAGATION_HOST_TO_CONTAINER: 1,
  PROPAGATION_BIDIRECTIONAL: 2,
} as const;
export const ContainerState = { CONTAINER_CREATED: 0, CONTAINER_RUNNING: 1, CONTAINER_EXITED: 2 } as const;
export const PodSandboxState = { SANDBOX_READY: 0, SANDBOX_NOTREADY: 1 } as const;
