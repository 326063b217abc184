import { RunletError } from "@runlet/errors";
import type { LinuxIDMapping } from "@runlet/spec";
import { type Context, hasNamespace, isCreated } from "./context.ts";
import type { IdMapping, Operation, WriteIdMappings } from "./operation.ts";

/** Which of the two kinds of id a map is for. */
type MappingField = "uidMappings" | "gidMappings";

/** A map of the config as the plan has it: a copy, since the plan outlives the config. */
export function copyMappings(mappings: readonly LinuxIDMapping[] | undefined): readonly IdMapping[] {
  return (mappings ?? []).map(({ containerID, hostID, size }) => ({ containerID, hostID, size }));
}

/**
 * `writeIdMappings` of a new user namespace.
 *
 * @throws RunletError `ERR_RUNLET_ID_MAPPING` when a map is missing; when the caller may not write it; when the process's own ids are not in it.
 */
export function idMappingOperations(context: Context): Operation[] {
  const { linux } = context;
  for (const field of ["uidMappings", "gidMappings"] as const) {
    if ((linux[field] ?? []).length > 0) continue;
    throw new RunletError("ERR_RUNLET_ID_MAPPING", `the new user namespace maps no ${kindOf(field)}`, {
      pointer: linux[field] === undefined ? "/linux" : `/linux/${field}`,
      hint: `map the ids of the container in ${field}`,
    });
  }
  checkProcessIds(context);
  const method = mappingMethod(context);
  const write: WriteIdMappings = {
    op: "writeIdMappings",
    uidMappings: copyMappings(linux.uidMappings),
    gidMappings: copyMappings(linux.gidMappings),
    setgroups: setgroupsOf(context, method),
    method,
    from: "/linux/uidMappings",
  };
  return [write];
}

/** `becomeRoot`, in a user namespace that is made or joined. */
export function becomeRoot(context: Context): Operation[] {
  const pointer = context.namespaces.pointers.get("user");
  if (pointer === undefined) return [];
  const { uidMappings, gidMappings } = context.linux;
  const [uid, gid] = hasOwnMaps(context) ? [firstId(uidMappings), firstId(gidMappings)] : [0, 0];
  return [{ op: "becomeRoot", uid, gid, from: pointer }];
}

/** Whether the config's maps are those of the container's user namespace: of one that it joins by a path they are not. */
export function hasOwnMaps({ linux }: Context): boolean {
  return linux.namespaces?.some(({ type, path }) => type === "user" && (path === undefined || path === "")) ?? false;
}

/** 0 where it is mapped, else the first id of the first mapping. */
function firstId(mappings: readonly LinuxIDMapping[] | undefined): number {
  return mapsId(mappings, 0) ? 0 : (mappings?.[0]?.containerID ?? 0);
}

/**
 * Whether setgroups(2) is denied to the container's root: the caller's namespace denies it, or the maps are written by
 * somebody without privilege, who has to deny it first. @see user_namespaces(7), CVE-2014-8989
 */
export function isSetgroupsDenied(context: Context): boolean {
  if (context.host.setgroups === "deny") return true;
  if (!isCreated(context, "user")) return false;
  return setgroupsOf(context, mappingMethod(context)) === "deny" || isDeniedByProgram(context);
}

function setgroupsOf(context: Context, method: WriteIdMappings["method"]): WriteIdMappings["setgroups"] {
  return method === "direct" && context.host.euid !== 0 ? "deny" : null;
}

/** Whether newgidmap(1) denies setgroups(2): to whoever maps no group of a range in /etc/subgid. */
function isDeniedByProgram({ linux, host }: Context): boolean {
  return host.euid !== 0 && mapsOnly(linux.gidMappings, host.egid);
}

function mappingMethod(context: Context): WriteIdMappings["method"] {
  const { linux, host } = context;
  if (host.euid === 0) return "direct";
  const isOwnAlone = mapsOnly(linux.uidMappings, host.euid) && mapsOnly(linux.gidMappings, host.egid);
  if (isOwnAlone) return "direct";
  if (host.hasSubordinateIds) return "newidmap";
  throw new RunletError("ERR_RUNLET_ID_MAPPING", "an ordinary user may map no ids but their own", {
    pointer: "/linux/uidMappings",
    hint: `map one id, hostID ${host.euid} and for groups ${host.egid}; or install newuidmap and newgidmap (package uidmap) and add ranges to /etc/subuid and /etc/subgid`,
  });
}

/** @throws RunletError `ERR_RUNLET_ID_MAPPING` when one of the process's ids is not in the config's maps. */
export function checkProcessIds(context: Context): void {
  const { uid, gid, additionalGids } = context.process.user;
  const { uidMappings, gidMappings } = context.linux;
  const ids: readonly (readonly [string, number, LinuxIDMapping[] | undefined, MappingField])[] = [
    ["uid", uid, uidMappings, "uidMappings"],
    ["gid", gid, gidMappings, "gidMappings"],
    ...(additionalGids ?? []).map((id, index) => [`additionalGids/${index}`, id, gidMappings, "gidMappings"] as const),
  ];
  for (const [name, id, mappings, field] of ids) {
    if (mapsId(mappings, id)) continue;
    throw new RunletError("ERR_RUNLET_ID_MAPPING", `${kindOf(field)} ${id} is not mapped in the user namespace`, {
      pointer: `/process/user/${name}`,
      hint: `map it in /linux/${field}`,
    });
  }
}

/**
 * Refuses mappings that no user namespace takes; those of a joined one hold as they are.
 *
 * @throws RunletError `ERR_RUNLET_ID_MAPPING`.
 */
export function checkMappingsHaveNamespace(context: Context): void {
  for (const field of ["uidMappings", "gidMappings"] as const) {
    if ((context.linux[field] ?? []).length === 0 || isCreated(context, "user")) continue;
    if (!hasNamespace(context, "user")) {
      throw new RunletError("ERR_RUNLET_ID_MAPPING", `${field} without a user namespace`, {
        pointer: `/linux/${field}`,
        hint: 'add { "type": "user" } to /linux/namespaces',
      });
    }
    context.warnings.push({
      pointer: `/linux/${field}`,
      message: "has no effect: the user namespace that is joined has its own maps",
    });
  }
}

function kindOf(field: MappingField): string {
  return field === "uidMappings" ? "user id" : "group id";
}

function mapsId(mappings: readonly LinuxIDMapping[] | undefined, id: number): boolean {
  return (mappings ?? []).some(({ containerID, size }) => id >= containerID && id < containerID + size);
}

function mapsOnly(mappings: readonly LinuxIDMapping[] | undefined, hostId: number): boolean {
  const [only, second] = mappings ?? [];
  return only !== undefined && second === undefined && only.hostID === hostId && only.size === 1;
}
