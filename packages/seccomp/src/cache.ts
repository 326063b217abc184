import type { Arch, LinuxSeccomp } from "@runlet/spec";
import { digest } from "./digest.ts";

/** Keeps compiled filters: a `Map`, or files below the state directory. */
export interface FilterCache {
  /** @returns the filter that was kept for the key, or undefined. It must be what {@link FilterCache.set} was given. */
  get(key: string): Uint8Array | undefined;
  /** @param key - a digest: by default SHA-256 in 64 lower-case hexadecimal digits, fit for a file's name. */
  set(key: string, filter: Uint8Array): unknown;
  /**
   * Digests the text that a filter depends on. Without it SHA-256 is computed in JavaScript, which the first time in a
   * process takes as long as compiling: give the platform's own where there is one. Collisions must be infeasible to find, or
   * whoever writes one profile could choose the filter of another.
   */
  readonly digest?: (text: string) => string;
}

/** Changes whenever the compiler makes another filter of the same profile, so that no cache answers with the old one. */
const compilerVersion = 1;

interface KeyOptions {
  readonly nativeArch: Arch;
  readonly withoutEnosys?: boolean;
  readonly cache?: FilterCache | undefined;
}

/**
 * The digest of everything that a filter depends on: the profile's rules, the architecture, and this compiler. Keys of the
 * profile in another order are another digest, which costs a compilation and nothing else.
 */
export function filterKey(profile: LinuxSeccomp, { nativeArch, withoutEnosys = false, cache }: KeyOptions): string {
  const { defaultAction, defaultErrnoRet, architectures, syscalls } = profile;
  const subject = [compilerVersion, nativeArch, withoutEnosys, defaultAction, defaultErrnoRet, architectures, syscalls];
  const text = JSON.stringify(subject, (_key, value) => (typeof value === "bigint" ? `${value}n` : value));
  return cache?.digest === undefined ? digest(text) : cache.digest(text);
}
