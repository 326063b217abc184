import { RunletError } from "@runlet/errors";
import { compileSeccomp, toNativeArch } from "@runlet/seccomp";
import type { Context } from "./context.ts";
import type { LoadSeccomp } from "./operation.ts";

/**
 * The filter of system calls, or null where the config has none.
 *
 * @throws RunletError `ERR_RUNLET_SECCOMP` for a profile that cannot be compiled, with the pointer of its entry.
 */
export function seccompOperation(context: Context): LoadSeccomp | null {
  const profile = context.linux.seccomp;
  if (profile === undefined) return null;
  const nativeArch = toNativeArch(context.host.architecture);
  if (nativeArch === undefined) {
    throw new RunletError("ERR_RUNLET_SECCOMP", `no system call filter for ${context.host.architecture}`, {
      pointer: "/linux/seccomp",
    });
  }
  const compiled = compileSeccomp(profile, { nativeArch, cache: context.options.filterCache });
  for (const { pointer, message } of compiled.warnings) context.warnings.push({ pointer, message });
  const { filter, flags, listener, listenerPath, listenerMetadata } = compiled;
  return {
    op: "loadSeccomp",
    flags,
    filter,
    listener,
    ...(listenerPath === undefined ? {} : { listenerPath }),
    ...(listenerMetadata === undefined ? {} : { listenerMetadata }),
    from: "/linux/seccomp",
  };
}
