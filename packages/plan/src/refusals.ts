import { type ErrorCode, RunletError } from "@runlet/errors";
import { type Context, hasNamespace, isCreated } from "./context.ts";
import { checkMappingsHaveNamespace } from "./id-mappings.ts";
import type { NamespaceType } from "./kernel.ts";
import { checkSecurityModules } from "./labels.ts";

/**
 * Refuses what no operation carries out, and what would reach past the container: a setting of a namespace that stays the
 * host's.
 *
 * @throws RunletError with the pointer of the entry.
 */
export function refuseWhatCannotHold(context: Context): void {
  refuseOtherPlatforms(context);
  refuseWithoutResctrl(context);
  refuseWithoutNamespace(context);
  checkMappingsHaveNamespace(context);
  checkSecurityModules(context);
}

function refuseOtherPlatforms({ spec, process }: Context): void {
  for (const platform of ["windows", "solaris", "freebsd", "vm", "zos"] as const) {
    if (spec[platform] === undefined) continue;
    throw unsupported(`/${platform}`, `a container of ${platform}`, "this runtime makes containers of Linux");
  }
  if (process.commandLine !== undefined) throw unsupported("/process/commandLine", "a command line of Windows");
  if (process.user.username !== undefined) {
    throw unsupported("/process/user/username", "a user name of Windows", "give uid and gid");
  }
}

/** The groups are those of a mounted resctrl, which the caller has to name. */
function refuseWithoutResctrl({ linux, options }: Context): void {
  if (linux.intelRdt === undefined || (options.intelRdt ?? null) !== null) return;
  throw unsupported("/linux/intelRdt", "Resource Director Technology without a resctrl file system");
}

function unsupported(pointer: string, what: string, hint?: string): RunletError {
  return new RunletError("ERR_RUNLET_UNSUPPORTED", `${what} is not supported`, { pointer, hint });
}

/** What needs a namespace of the container's own: the pointer, whether the config has it, the namespace. */
type Requirement = readonly [pointer: string, isGiven: boolean, type: NamespaceType];

function refuseWithoutNamespace(context: Context): void {
  const { spec, linux } = context;
  const requirements: readonly Requirement[] = [
    ["/hostname", isText(spec.hostname), "uts"],
    ["/domainname", isText(spec.domainname), "uts"],
    ["/mounts/0", isFilled(spec.mounts), "mount"],
    ["/root/readonly", spec.root?.readonly === true, "mount"],
    ["/linux/maskedPaths", isFilled(linux.maskedPaths), "mount"],
    ["/linux/readonlyPaths", isFilled(linux.readonlyPaths), "mount"],
    ["/linux/rootfsPropagation", isText(linux.rootfsPropagation), "mount"],
    // mknod(2) is denied there, and a bind of the host's device would be a mount of the host's.
    [context.namespaces.pointers.get("user") ?? "", hasNamespace(context, "user"), "mount"],
    ["/linux/netDevices", Object.keys(linux.netDevices ?? {}).length > 0, "network"],
  ];
  for (const [pointer, isGiven, type] of requirements) {
    if (isGiven && !hasNamespace(context, type)) throw missingNamespace(pointer, type);
  }
  const hasOffsets = Object.keys(linux.timeOffsets ?? {}).length > 0;
  if (hasOffsets && !isCreated(context, "time")) throw missingNamespace("/linux/timeOffsets", "time");
}

function missingNamespace(pointer: string, type: NamespaceType, code: ErrorCode = "ERR_RUNLET_NAMESPACE"): RunletError {
  return new RunletError(code, `needs a ${type} namespace of the container's own: without one it would be the host's`, {
    pointer,
    hint: `add { "type": "${type}" } to /linux/namespaces`,
  });
}

function isFilled(list: readonly unknown[] | undefined): boolean {
  return list !== undefined && list.length > 0;
}

function isText(text: string | undefined): boolean {
  return text !== undefined && text !== "";
}
