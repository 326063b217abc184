import type { Arch, LinuxSeccomp } from "@runlet/spec";
import { digest } from "./digest.ts";

/** Keeps compiled filters: a `Map`, or files below the state directory. */
export interface FilterCache {
  /** @returns the filter that was kept for the key, or undefined. It must be what {@link FilterCache.set} was given. */
  get(key: string): Uint8Array | undefined;
  /** @param key - 64 lower-case hexadecimal digits: fit for a file's name. */
  set(key: string, filter: Uint8Array): unknown;
}

/** Changes whenever the compiler makes another filter of the same profile, so that no cache answers with the old one. */
const compilerVersion = 1;

/**
 * The digest of everything that a filter depends on: the profile's rules, the architecture, and this compiler. Keys of the
 * profile in another order are another digest, which costs a compilation and nothing else.
 */
export function filterKey(
  profile: LinuxSeccomp,
  { nativeArch, withoutEnosys = false }: { readonly nativeArch: Arch; readonly withoutEnosys?: boolean },
): string {
  const { defaultAction, defaultErrnoRet, architectures, syscalls } = profile;
  const subject = [compilerVersion, nativeArch, withoutEnosys, defaultAction, defaultErrnoRet, architectures, syscalls];
  return digest(JSON.stringify(subject, (_key, value) => (typeof value === "bigint" ? `${value}n` : value)));
}
