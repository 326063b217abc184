import { quote, RunletError } from "@runlet/errors";
import type { Arch, LinuxSeccomp } from "@runlet/spec";
import { type FilterCache, filterKey } from "./cache.ts";
import { buildFilter, unknownCallAction } from "./filter.ts";
import { resolvePolicy, type SeccompWarning } from "./policy.ts";
import { type Profile, profilePointer, readProfile } from "./profile.ts";
import { longestProgram } from "./program.ts";

/** How {@link compileSeccomp} compiles. */
export interface CompileOptions {
  /** Architecture of the kernel that the filter is for; see `toNativeArch`. Its calls are always let through to the rules. */
  readonly nativeArch: Arch;
  /**
   * Leaves out what answers calls newer than the profile with `ENOSYS`: they get the default action, as crun does it.
   */
  readonly withoutEnosys?: boolean;
  /** Where compiled filters are kept. Without one, every call compiles. */
  readonly cache?: FilterCache | undefined;
}

/** A filter, and what seccomp(2) needs besides. */
export interface CompiledSeccomp {
  /** Instructions of classic BPF: `struct sock_filter`, 8 bytes each, little-endian. */
  readonly filter: Uint8Array;
  /** `SECCOMP_FILTER_FLAG_*` for seccomp(2). */
  readonly flags: number;
  /** Whether seccomp(2) returns a listener's descriptor, which goes to `listenerPath`. */
  readonly listener: boolean;
  readonly listenerPath: string | undefined;
  readonly listenerMetadata: string | undefined;
  /** What in the profile has no effect: names of system calls that no architecture knows. Empty if read from a cache. */
  readonly warnings: readonly SeccompWarning[];
}

/**
 * Compiles a seccomp profile to classic BPF, with the meaning that libseccomp gives it under runc.
 *
 * @param profile - `linux.seccomp` of config.json.
 * @throws RunletError `ERR_RUNLET_SECCOMP` with the pointer of the entry at fault: an unknown action, operator, architecture
 *   or flag; an error number or argument out of range; rules that contradict each other; a listener that could never be
 *   reached; a filter longer than the kernel takes.
 * @see config-linux.md#seccomp
 *
 * @example
 * const { filter, flags } = compileSeccomp(
 *   { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["mount"], action: "SCMP_ACT_ERRNO" }] },
 *   { nativeArch: "SCMP_ARCH_X86_64" },
 * );
 */
export function compileSeccomp(profile: LinuxSeccomp, options: CompileOptions): CompiledSeccomp {
  const { cache } = options;
  const checked = readProfile(profile, options.nativeArch);
  if (cache === undefined) return compile(profile, checked, options);
  const key = filterKey(profile, options);
  const kept = cache.get(key);
  if (kept !== undefined) return { ...describe(profile, checked), filter: kept, warnings: [] };
  const compiled = compile(profile, checked, options);
  cache.set(key, compiled.filter);
  return compiled;
}

function compile(
  profile: LinuxSeccomp,
  checked: Profile,
  { nativeArch, withoutEnosys = false }: CompileOptions,
): CompiledSeccomp {
  const policy = resolvePolicy(checked);
  const filter = buildFilter(checked, policy, withoutEnosys ? undefined : unknownCallAction(checked));
  const length = filter.length / 8;
  if (length > longestProgram) {
    throw new RunletError(
      "ERR_RUNLET_SECCOMP",
      `the filter has ${length} instructions; the kernel takes ${longestProgram}`,
      {
        pointer: `${profilePointer}/syscalls`,
        hint: `Write fewer conditions, or fewer architectures than ${quote((profile.architectures ?? [nativeArch]).join(", "))}.`,
      },
    );
  }
  return { ...describe(profile, checked), filter, warnings: policy.warnings };
}

function describe(profile: LinuxSeccomp, { flags, listener }: Profile) {
  const { listenerPath, listenerMetadata } = profile;
  return { flags, listener, listenerPath, listenerMetadata };
}
