import { quote } from "@runlet/errors";
import type { LinuxCapabilities } from "@runlet/spec";
import type { Context } from "./context.ts";
import { type CapabilityName, capabilityNames } from "./kernel.ts";
import type { DropBoundingCapabilities, SetCapabilities } from "./operation.ts";
import { specRules } from "./pointer.ts";

/** The names of the five sets, in the config's words. */
type CapabilitySet = keyof LinuxCapabilities;

/** The sets as the kernel gets them. */
export interface CapabilitySets {
  readonly bounding: DropBoundingCapabilities;
  readonly others: SetCapabilities;
}

/**
 * The five sets of capabilities: exactly the config's, and none at all where it has none. What this kernel does not know is
 * left out with a warning, as the specification wants it.
 */
export function capabilitySets(context: Context): CapabilitySets {
  const from = context.process.capabilities === undefined ? specRules.linuxProcess : "/process/capabilities";
  const permitted = knownCapabilities(context, "permitted");
  const inheritable = knownCapabilities(context, "inheritable");
  const wanted = knownCapabilities(context, "ambient");
  const ambient = wanted.filter((name) => permitted.includes(name) && inheritable.includes(name));
  if (ambient.length < wanted.length) {
    const left = wanted.filter((name) => !ambient.includes(name));
    context.warnings.push({
      pointer: "/process/capabilities/ambient",
      message: `${left.join(", ")} left out: not both permitted and inheritable`,
    });
  }
  return {
    bounding: { op: "dropBoundingCapabilities", keep: knownCapabilities(context, "bounding"), from },
    others: {
      op: "setCapabilities",
      effective: knownCapabilities(context, "effective"),
      permitted,
      inheritable,
      ambient,
      from,
    },
  };
}

/** Each once, in the order of their numbers. */
function knownCapabilities(context: Context, set: CapabilitySet): readonly CapabilityName[] {
  const names = context.process.capabilities?.[set] ?? [];
  const unknown = names.filter((name) => !isKnown(context, name));
  if (unknown.length > 0) {
    context.warnings.push({
      pointer: `/process/capabilities/${set}`,
      message: `unknown to this kernel and left out: ${unknown.map(quote).join(", ")}`,
    });
  }
  return capabilityNames.filter((name) => names.includes(name) && isKnown(context, name));
}

function isKnown(context: Context, name: string): boolean {
  const number = (capabilityNames as readonly string[]).indexOf(name);
  return number >= 0 && number <= context.host.lastCapability;
}
