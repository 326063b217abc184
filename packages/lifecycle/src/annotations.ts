import { quote } from "@runlet/errors";
import type { Spec } from "@runlet/spec";
import type { Warning } from "./options.ts";

/**
 * Annotations that can act on the host, once the caller allows them; a name that ends in `.` stands for all that begin with
 * it. Whoever writes a config need not be whoever runs it (CVE-2024-3154).
 */
export const actingAnnotations: readonly string[] = ["org.criu.config", "org.systemd.property."];

type Annotations = Readonly<Record<string, string>>;

/** Whether a name is in a list in which one that ends in `.` stands for all that begin with it. */
function isListed(name: string, list: readonly string[]): boolean {
  return list.some((entry) => (entry.endsWith(".") ? name.startsWith(entry) : name === entry));
}

/** The annotations that act: those that can, and that the caller allows by name. */
export function selectAnnotations({ annotations = {} }: Spec, allowed: readonly string[]): Annotations {
  if (allowed.length === 0) return {};
  return Object.fromEntries(
    Object.entries(annotations).filter(([name]) => isListed(name, actingAnnotations) && isListed(name, allowed)),
  );
}

/** A warning for each annotation that could act and is not allowed to. */
export function warnOfAnnotations({ annotations = {} }: Spec, allowed: readonly string[]): Warning[] {
  return Object.keys(annotations)
    .filter((name) => isListed(name, actingAnnotations) && !isListed(name, allowed))
    .map((name) => ({
      pointer: `/annotations/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`,
      message: `the annotation ${quote(name)} has no effect: it is not allowed (--allow-annotation)`,
    }));
}
