import type { CapabilitySets } from "./observation.ts";

/** The numbers that the tests need, `<linux/capability.h>`. */
const numbers = {
  CAP_CHOWN: 0,
  CAP_DAC_OVERRIDE: 1,
  CAP_KILL: 5,
  CAP_SETGID: 6,
  CAP_SETUID: 7,
  CAP_NET_BIND_SERVICE: 10,
  CAP_NET_ADMIN: 12,
  CAP_NET_RAW: 13,
  CAP_SYS_ADMIN: 21,
  CAP_SYS_NICE: 23,
  CAP_MKNOD: 27,
  CAP_AUDIT_WRITE: 29,
} as const;

/** A capability that the tests use. */
type CapabilityName = keyof typeof numbers;

/** The mask of /proc/PID/status for a set. */
function capabilityMask(...names: readonly CapabilityName[]): string {
  const bits = names.reduce((mask, name) => mask | (1n << BigInt(numbers[name])), 0n);
  return bits.toString(16).padStart(16, "0");
}

/** All five sets alike empty, but those given. */
export function capabilitySets(
  given: Partial<Record<keyof CapabilitySets, readonly CapabilityName[]>>,
): CapabilitySets {
  const of = (set: keyof CapabilitySets) => capabilityMask(...(given[set] ?? []));
  return {
    bounding: of("bounding"),
    effective: of("effective"),
    inheritable: of("inheritable"),
    permitted: of("permitted"),
    ambient: of("ambient"),
  };
}
