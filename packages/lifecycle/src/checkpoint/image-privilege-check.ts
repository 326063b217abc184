import { type CapabilityName, capabilityNames, type LoadSeccomp, type Operation } from "@runlet/plan";
import type { Spec } from "@runlet/spec";
import type { ImageExpectations } from "./image-check.ts";
import { type ImageDirectory, imageError } from "./image-directory.ts";
import { readSingle } from "./image-file.ts";
import { type Credentials, coreFields, type ImageCore, seccompFields } from "./image-message.ts";

/** CRIU's number for a process that has ended and was not waited for. */
const TASK_DEAD = 2;
const SECCOMP_MODE_FILTER = 2;

/**
 * Checks that no thread of an image may do more than the config allows: capabilities, ids, limits, the filter of system calls,
 * the security profile, and `no_new_privs`.
 *
 * @param threadIds - of all processes.
 * @throws RunletError `ERR_RUNLET_CHECKPOINT` that names the thread.
 */
export function checkPrivileges(
  images: ImageDirectory,
  threadIds: readonly number[],
  expectations: ImageExpectations,
): void {
  const operations = expectations.plan.phases.flatMap((phase) => phase.operations);
  const allowed = allowedCapabilities(operations);
  const filter = operations.find((operation) => operation.op === "loadSeccomp");
  const filters = filter === undefined ? [] : readFilters(images);
  for (const threadId of new Set(threadIds)) {
    const name = `core-${threadId}`;
    const refuse = (what: string) => imageError(images.hostPath, `${name}.img`, what);
    const core = readSingle(images, { name, kind: "core", schema: coreFields });
    if (core.task?.state === TASK_DEAD) continue;
    const credentials = core.thread?.credentials;
    if (credentials === undefined) throw refuse("says nothing of the privileges of a process");
    const excess = capabilitiesOf(credentials) & ~allowed;
    if (excess !== 0n)
      throw refuse(`has a process with capabilities that config.json does not grant: ${namesOf(excess)}`);
    if (!hasGivenIds(credentials, operations, expectations.spec))
      throw refuse("has a process of another user than config.json's");
    if (filter !== undefined && !isFiltered(core, filters, filter))
      throw refuse("has a process without the filter of /linux/seccomp");
    checkLimits(core, { operations, expectations, refuse });
    checkProfile(credentials, expectations, refuse);
  }
}

/** Whoever has CAP_SYS_RESOURCE can change its limits; others can only lower them. */
function checkLimits(
  { task }: ImageCore,
  given: { operations: readonly Operation[]; expectations: ImageExpectations; refuse: (what: string) => Error },
): void {
  const { operations, expectations, refuse } = given;
  const { oomScoreAdj, noNewPrivileges = false } = expectations.spec.process ?? {};
  if (task === undefined || mayHave("CAP_SYS_RESOURCE", operations, noNewPrivileges)) return;
  for (const limit of operations) {
    if (limit.op !== "setRlimit") continue;
    const { hard } = task.limits?.entries?.[limit.resource] ?? {};
    if (hard === undefined || hard > limit.hard)
      throw refuse(`has a process whose ${limit.name} is higher than config.json's`);
  }
  if (oomScoreAdj !== undefined && (task.oomScoreAdj ?? 0) < oomScoreAdj)
    throw refuse("has a process whose oom_score_adj is lower than config.json's");
}

function checkProfile(
  { lsmProfile, noNewPrivileges = 0 }: Credentials,
  { spec, hasLsmProfile, savesNoNewPrivileges }: ImageExpectations,
  refuse: (what: string) => Error,
): void {
  const { apparmorProfile, selinuxLabel, noNewPrivileges: isWanted } = spec.process ?? {};
  const wanted = apparmorProfile || selinuxLabel;
  // AppArmor appends the mode: `docker-default (enforce)`.
  const given = lsmProfile?.replace(/ \([a-z]+\)\s*$/, "").trim();
  if (wanted && !hasLsmProfile && given !== wanted)
    throw refuse(`has a process without the security profile of config.json`);
  if (isWanted && savesNoNewPrivileges && noNewPrivileges === 0) throw refuse("has a process that may gain privileges");
}

/** Every capability, where the plan leaves them as they are. */
function allowedCapabilities(operations: readonly Operation[]): bigint {
  const bounding = operations.find((operation) => operation.op === "dropBoundingCapabilities");
  if (bounding === undefined) return ~0n;
  const given = operations.find((operation) => operation.op === "setCapabilities");
  const names = [
    ...bounding.keep,
    ...(given?.effective ?? []),
    ...(given?.permitted ?? []),
    ...(given?.inheritable ?? []),
  ];
  return maskOf(names);
}

function maskOf(names: readonly CapabilityName[]): bigint {
  return names.reduce((mask, name) => mask | (1n << BigInt(capabilityNames.indexOf(name))), 0n);
}

function namesOf(mask: bigint): string {
  const names = capabilityNames.filter((_, bit) => ((mask >> BigInt(bit)) & 1n) === 1n);
  return names.length === 0 ? "unknown ones" : names.join(", ");
}

/** The union of the sets; each is words of 32 bits, the lowest first. */
function capabilitiesOf(credentials: Credentials): bigint {
  const { inheritable = [], permitted = [], effective = [], bounding = [], ambient = [] } = credentials;
  let mask = 0n;
  for (const set of [inheritable, permitted, effective, bounding, ambient])
    for (const [index, word] of set.entries()) mask |= BigInt(word) << BigInt(32 * index);
  return mask;
}

/** Whoever cannot change ids has those of the config. */
function hasGivenIds(credentials: Credentials, operations: readonly Operation[], { process }: Spec): boolean {
  const { uid = 0, gid = 0, additionalGids = [] } = process?.user ?? {};
  const { groups = [], ...ids } = credentials;
  const mayChange = (capability: CapabilityName) => mayHave(capability, operations, process?.noNewPrivileges ?? false);
  const hasUser = [ids.uid, ids.euid, ids.suid, ids.fsuid].every((id) => id === uid);
  const hasGroups =
    [ids.gid, ids.egid, ids.sgid, ids.fsgid].every((id) => id === gid) &&
    groups.every((group) => group === gid || additionalGids.includes(group));
  return (hasUser || mayChange("CAP_SETUID")) && (hasGroups || mayChange("CAP_SETGID"));
}

/** Whether a process may come to have a capability: from the start, or by a program that gives it. */
function mayHave(capability: CapabilityName, operations: readonly Operation[], isNoNewPrivileges: boolean): boolean {
  const bounding = operations.find((operation) => operation.op === "dropBoundingCapabilities");
  const given = operations.find((operation) => operation.op === "setCapabilities");
  if (given?.permitted.includes(capability) || given === undefined) return true;
  return !isNoNewPrivileges && (bounding === undefined || bounding.keep.includes(capability));
}

type Filters = readonly { readonly filter?: Uint8Array | undefined; readonly previous?: number | undefined }[];

function readFilters(images: ImageDirectory): Filters {
  if (!images.names.includes("seccomp.img")) return [];
  return readSingle(images, { name: "seccomp", kind: "seccomp", schema: seccompFields }).filters ?? [];
}

/** Whether the filter of the plan is among those of a thread, each of which leads to the one that was installed before. */
function isFiltered({ thread }: ImageCore, filters: Filters, { filter }: LoadSeccomp): boolean {
  if (thread?.seccompMode !== SECCOMP_MODE_FILTER) return false;
  const seen = new Set<number>();
  for (let at = thread.seccompFilter; at !== undefined && !seen.has(at); at = filters[at]?.previous) {
    seen.add(at);
    const found = filters[at]?.filter;
    if (found !== undefined && Buffer.compare(found, filter) === 0) return true;
  }
  return false;
}
