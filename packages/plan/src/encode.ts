import { ByteWriter, type Encoder } from "./byte-writer.ts";
import type { CapabilityName, MountAttribute, NamespaceType, PropagationFlag } from "./kernel.ts";
import { CLONE_NEW, capabilityNames, MOUNT_ATTR, MS_PROPAGATION } from "./kernel.ts";
import {
  isParentOperation,
  type Mount,
  type MountAttributes,
  type Operation,
  type OperationName,
  type Phase,
  type Plan,
} from "./operation.ts";

/**
 * Numbers of the operations in an encoded plan; `packages/syscall/native/init/plan.h` has the same, and the layout of the
 * fields.
 */
export const operationCodes = {
  pause: 1,
  joinNamespace: 2,
  unshare: 3,
  setTimeOffset: 4,
  fork: 5,
  joinCgroup: 6,
  becomeRoot: 7,
  setRootPropagation: 8,
  bindRoot: 9,
  mount: 10,
  remount: 11,
  makeDevice: 12,
  symlink: 13,
  openConsole: 14,
  maskPath: 15,
  makePathReadonly: 16,
  enterRoot: 17,
  setRootReadonly: 18,
  setPropagation: 19,
  setHostname: 20,
  setDomainname: 21,
  setSysctl: 22,
  bringUpLoopback: 23,
  setOomScoreAdj: 24,
  joinSessionKeyring: 25,
  newSession: 26,
  raiseRlimit: 27,
  setRlimit: 28,
  setNoNewPrivileges: 29,
  setPersonality: 30,
  setScheduler: 31,
  setIoPriority: 32,
  setMemoryPolicy: 33,
  setAffinity: 34,
  setLabel: 35,
  setUser: 36,
  dropBoundingCapabilities: 37,
  setCapabilities: 38,
  setWorkingDirectory: 39,
  loadSeccomp: 40,
  findExecutable: 41,
  lookUpHome: 42,
  awaitStart: 43,
  hook: 44,
  exec: 45,
  makeDirectory: 46,
  openRoot: 47,
  clearGroups: 48,
  joinRoot: 49,
} as const satisfies Partial<Record<OperationName | "pause", number>>;

type HelperOperationName = Exclude<keyof typeof operationCodes, "pause">;
type HelperOperation<Name extends HelperOperationName> = Extract<Operation, { op: Name }>;

const PLAN_MAGIC = 0x4c504c52;
const PLAN_VERSION = 1;
const PLAN_NOT_DUMPABLE = 1;
const HEAD_BYTES = 16;
const NONE = 0xffff_ffff;
const IOPRIO_CLASS_SHIFT = 13;
const deviceTypes = { c: 0o020000, u: 0o020000, b: 0o060000, p: 0o010000 } as const;
const enterMethods = { pivot: 1, move: 2, chroot: 3 } as const;
const sourceKinds = { filesystem: 1, bind: 2, descriptor: 3 } as const;

/** Options of {@link encode}. */
export interface EncodeOptions {
  /** Descriptor number in the helper of the first slot; the others follow. */
  readonly firstSlotFd: number;
}

/** Writes the fields of one kind of operation. `fdOf` turns a slot into its descriptor number. */
type FieldEncoder<Name extends HelperOperationName> = (
  writer: Encoder,
  operation: HelperOperation<Name>,
  fdOf: (slot: number | null) => number,
) => void;

const fieldEncoders: { readonly [Name in HelperOperationName]: FieldEncoder<Name> } = {
  joinNamespace: (writer, { type, slot }, fdOf) => writer.u32(CLONE_NEW[type]).u32(fdOf(slot)),
  unshare: (writer, { namespaces }) => writer.u32(namespaceFlags(namespaces)),
  setTimeOffset: (writer, { clock, secs, nanosecs }) => writer.text(`${clock} ${secs} ${nanosecs}\n`),
  fork: () => {},
  joinCgroup: (writer, { slots }, fdOf) => writer.list(slots, (slot) => writer.u32(fdOf(slot))),
  clearGroups: () => {},
  becomeRoot: (writer, { uid, gid }) => writer.u32(uid).u32(gid),
  setRootPropagation: (writer, { propagation, privateParentOf }) => {
    writer.list(propagationCalls(propagation), (flags) => writer.u32(flags)).optionalText(privateParentOf);
  },
  bindRoot: (writer, { hostPath, treeSlot }, fdOf) => writer.text(hostPath).u32(fdOf(treeSlot)),
  openRoot: (writer, { hostPath }) => writer.text(hostPath),
  joinRoot: (writer, { slot, identities }, fdOf) =>
    writer.u32(fdOf(slot)).list(identities, ({ major, minor, inode }) => writer.u32(major).u32(minor).u64(inode)),
  mount: encodeMount,
  remount: (writer, { containerPath, attributes, recursiveAttributes, propagation }) => {
    writer.text(containerPath);
    encodeAttributes(writer, attributes);
    encodeAttributes(writer, recursiveAttributes);
    writer.list(propagationCalls(propagation), (flags) => writer.u32(flags));
  },
  makeDevice: (writer, { containerPath, type, major, minor, mode, uid, gid, bind }) =>
    writer
      .text(containerPath)
      .u32(deviceTypes[type])
      .u32(major)
      .u32(minor)
      .u32(mode)
      .u32(uid)
      .u32(gid)
      .u32(Number(bind)),
  symlink: (writer, { containerPath, target }) => writer.text(containerPath).text(target),
  openConsole: (writer, { height, width, bind }) => writer.u32(height).u32(width).u32(Number(bind)),
  maskPath: (writer, { containerPath }) => writer.text(containerPath),
  makePathReadonly: (writer, { containerPath }) => writer.text(containerPath),
  enterRoot: (writer, { method }) => writer.u32(enterMethods[method]),
  setRootReadonly: () => {},
  setPropagation: (writer, { propagation }) => writer.list(propagationCalls(propagation), (flags) => writer.u32(flags)),
  setHostname: (writer, { hostname }) => writer.text(hostname),
  setDomainname: (writer, { domainname }) => writer.text(domainname),
  setSysctl: (writer, { path, value }) => writer.text(path).text(value),
  bringUpLoopback: () => {},
  setOomScoreAdj: (writer, { value }) => writer.u32(value),
  joinSessionKeyring: (writer, { name, grantSearch }) => writer.text(name).u32(grantSearch ? 1 : 0),
  newSession: () => {},
  raiseRlimit: (writer, { name, resource, hard }) => writer.u32(resource).u64(hard).text(name),
  setRlimit: (writer, { name, resource, soft, hard }) => writer.u32(resource).u64(soft).u64(hard).text(name),
  setNoNewPrivileges: () => {},
  setPersonality: (writer, { value }) => writer.u32(value),
  setScheduler: (writer, { policy, flags, nice, priority, runtime, deadline, period }) =>
    writer.u32(policy).u64(BigInt(flags)).u32(nice).u32(priority).u64(runtime).u64(deadline).u64(period),
  setIoPriority: (writer, { class: ioClass, priority }) => writer.u32((ioClass << IOPRIO_CLASS_SHIFT) | priority),
  setMemoryPolicy: (writer, { mode, nodes }) => writer.u32(mode).list(nodes, (word) => writer.u64(word)),
  setAffinity: (writer, { cpus }) => writer.list(cpus, (word) => writer.u64(word)),
  setLabel: (writer, { attribute, value }) => writer.text(attribute).text(value),
  setUser: (writer, { uid, gid, umask, additionalGids }) =>
    writer
      .u32(uid)
      .u32(gid)
      .u32(umask ?? NONE)
      .u32(Number(additionalGids !== null))
      .list(additionalGids ?? [], (group) => writer.u32(group)),
  dropBoundingCapabilities: (writer, { keep }) => writer.u64(capabilityMask(keep)),
  setCapabilities: (writer, { effective, permitted, inheritable, ambient }) =>
    writer
      .u64(capabilityMask(effective))
      .u64(capabilityMask(permitted))
      .u64(capabilityMask(inheritable))
      .u64(capabilityMask(ambient)),
  setWorkingDirectory: (writer, { containerPath, create, mayFail }) =>
    writer
      .text(containerPath)
      .u32(Number(create))
      .u32(Number(mayFail ?? false)),
  makeDirectory: (writer, { containerPath }) => writer.text(containerPath),
  loadSeccomp: (writer, { flags, listener, filter }) => writer.u32(flags).u32(Number(listener)).bytes(filter),
  findExecutable: (writer, { name, searchPath }) => writer.text(name).text(searchPath),
  lookUpHome: (writer, { uid }) => writer.u32(uid),
  awaitStart: (writer, { slot }, fdOf) => writer.u32(fdOf(slot)),
  hook: (writer, { path, args, env, timeoutMs }) =>
    writer
      .text(path)
      .u32(timeoutMs ?? NONE)
      .list(args, (text) => writer.text(text))
      .list(env, (text) => writer.text(text)),
  exec: (writer, { args, env, preserveFds }) =>
    writer
      .u32(preserveFds)
      .list(args, (text) => writer.text(text))
      .list(env, (text) => writer.text(text)),
};

function encodeMount(writer: Encoder, operation: Mount, fdOf: (slot: number | null) => number): void {
  const { source } = operation;
  writer.text(operation.containerPath);
  encodeAttributes(writer, operation.attributes);
  encodeAttributes(writer, operation.recursiveAttributes);
  writer
    .u32(fdOf(operation.idmapSlot))
    .u32(
      (operation.idmapRecursive ? 1 : 0) |
        (operation.copyUp ? 2 : 0) |
        (operation.createTarget ? 4 : 0) |
        (operation.plainTarget ? 8 : 0) |
        (operation.keepMode ? 16 : 0),
    )
    .optionalText(operation.fallbackHostPath)
    .u32(sourceKinds[source.kind]);
  switch (source.kind) {
    case "filesystem":
      writer
        .text(source.type)
        .optionalText(source.source)
        .list(source.options, ({ key, value }) => writer.text(key).optionalText(value))
        .list(source.layerHostPaths ?? [], (hostPath) => writer.text(hostPath));
      break;
    case "bind":
      writer.text(source.hostPath).u32(Number(source.recursive));
      break;
    case "descriptor":
      writer.u32(fdOf(source.slot));
      break;
  }
  writer.list(propagationCalls(operation.propagation), (flags) => writer.u32(flags));
}

function encodeAttributes(writer: Encoder, { set, clear }: MountAttributes): void {
  writer.u64(BigInt(attributeMask(set))).u64(BigInt(attributeMask(clear)));
}

function attributeMask(names: readonly MountAttribute[]): number {
  return names.reduce((mask, name) => mask | MOUNT_ATTR[name], 0);
}

function namespaceFlags(types: readonly NamespaceType[]): number {
  return types.reduce((flags, type) => (flags | CLONE_NEW[type]) >>> 0, 0);
}

/** A call takes one kind of propagation; MS_REC goes with each. */
function propagationCalls(flags: readonly PropagationFlag[]): number[] {
  const recursive = flags.includes("MS_REC") ? MS_PROPAGATION.MS_REC : 0;
  return flags.filter((flag) => flag !== "MS_REC").map((flag) => MS_PROPAGATION[flag] | recursive);
}

function capabilityMask(names: readonly CapabilityName[]): bigint {
  return names.reduce((mask, name) => mask | (1n << BigInt(capabilityNames.indexOf(name))), 0n);
}

/** The `CLONE_NEW*` flags that the clone itself is to have. */
export function cloneFlags(plan: Plan): number {
  for (const { operations } of plan.phases)
    for (const operation of operations) if (operation.op === "clone") return namespaceFlags(operation.namespaces);
  return 0;
}

/** Kept: memory that is written to for the first time is dear. */
const writer = new ByteWriter();

/**
 * Turns a plan into the bytes that the init helper interprets. Operations of the parent become pauses; those before the
 * clone and after the start are left out.
 *
 * Indices count all operations of the plan, phase after phase, so that a failure leads back to its operation:
 * see {@link operationAt}.
 */
export function encode(plan: Plan, { firstSlotFd }: EncodeOptions): Uint8Array {
  let canHide = true;
  writer.clear();
  writer.u32(PLAN_MAGIC).u32(PLAN_VERSION).u32(0).u32(0);
  let firstIndex = 0;
  for (const phase of plan.phases) {
    if (phase.operations.some(isSeenByParent)) canHide = false;
    if (phase.name !== "beforeClone" && phase.name !== "afterStart") {
      encodePhase(writer, phase, { firstIndex, firstSlotFd });
    }
    firstIndex += phase.operations.length;
  }
  writer.patchU32(8, writer.length);
  writer.patchU32(HEAD_BYTES - 4, canHide ? PLAN_NOT_DUMPABLE : 0);
  return writer.copyFrom(0);
}

/**
 * Whether the parent has to find the helper's files in procfs its own, which are root's while the helper is not dumpable. An
 * ordinary user has no container without one of these; the helper hides itself in the course of both.
 */
function isSeenByParent(operation: Operation): boolean {
  return operation.op === "writeIdMappings" || (operation.op === "joinNamespace" && operation.type === "user");
}

/** What the bytes of a phase depend on, beside its operations. */
interface PhasePlace {
  /** Index in the plan of its first operation. */
  readonly firstIndex: number;
  readonly firstSlotFd: number;
}

/** A phase that has been encoded: one offset for each operation, and the end. */
interface EncodedPhase extends PhasePlace {
  readonly operations: readonly Operation[];
  readonly offsets: readonly number[];
  readonly bytes: Uint8Array;
}

/** The last one of each name: plans for many containers of one config share most of their operations. */
const encodedPhases = new Map<Phase["name"], EncodedPhase>();

function encodePhase(writer: ByteWriter, { name, operations }: Phase, place: PhasePlace): void {
  const known = encodedPhases.get(name);
  if (known === undefined || !isAlike(known, operations, place)) {
    const start = writer.length;
    const offsets = operations.map((operation, index) => {
      const offset = writer.length - start;
      encodeOperation(writer, operation, index, place);
      return offset;
    });
    offsets.push(writer.length - start);
    encodedPhases.set(name, { ...place, operations, offsets, bytes: writer.copyFrom(start) });
    return;
  }
  for (let index = 0; index < operations.length; ) {
    let end = index;
    while (end < operations.length && operations[end] === known.operations[end]) end++;
    writer.raw(known.bytes.subarray(known.offsets[index], known.offsets[end]));
    const other = operations[end];
    if (other !== undefined) encodeOperation(writer, other, end, place);
    index = end + 1;
  }
}

/** Whether most operations are those of a phase that has been encoded. */
function isAlike(
  known: EncodedPhase,
  operations: readonly Operation[],
  { firstIndex, firstSlotFd }: PhasePlace,
): boolean {
  if (known.firstIndex !== firstIndex || known.firstSlotFd !== firstSlotFd) return false;
  if (known.operations.length !== operations.length) return false;
  let others = 0;
  for (let index = 0; index < operations.length; index++) if (operations[index] !== known.operations[index]) others++;
  return others * 2 <= operations.length;
}

/** @param index - in its phase. */
function encodeOperation(
  writer: ByteWriter,
  operation: Operation,
  index: number,
  { firstIndex, firstSlotFd }: PhasePlace,
): void {
  const isPause = isParentOperation(operation);
  const name = operation.op as HelperOperationName;
  writer.u32(isPause ? operationCodes.pause : operationCodes[name]).u32(firstIndex + index);
  const lengthAt = writer.length;
  writer.u32(0);
  if (isPause) return;
  const fdOf = (slot: number | null) => (slot === null ? NONE : firstSlotFd + slot);
  (fieldEncoders[name] as FieldEncoder<typeof name>)(writer, operation as never, fdOf);
  writer.patchU32(lengthAt, writer.length - lengthAt - 4);
}

/** The operation that an index in a report of the helper stands for. */
export function operationAt(plan: Plan, index: number): Operation | undefined {
  let left = index;
  for (const { operations } of plan.phases) {
    if (left < operations.length) return operations[left];
    left -= operations.length;
  }
  return undefined;
}
