import { existsSync } from "node:fs";
import type { Spec } from "@runlet/spec";
import { selectAnnotations } from "../annotations.ts";

/** The annotation that names a file of further options for CRIU. */
const configAnnotation = "org.criu.config";

/** Files of the host's administrator, the first of which that is there counts; runc's serves who changes from it. */
const configHostPaths: readonly string[] = ["/etc/criu/runlet.conf", "/etc/criu/runc.conf"];

/**
 * The file of options that CRIU puts before those of a request: that of the annotation, if it is allowed; else the
 * administrator's, if there is one. An annotation without a value stands for none.
 *
 * @param allowed - names of annotations that may act.
 */
export function criuConfigPath(spec: Spec, allowed: readonly string[]): string | null {
  const given = selectAnnotations(spec, allowed)[configAnnotation];
  if (given !== undefined) return given === "" ? null : given;
  return configHostPaths.find((hostPath) => existsSync(hostPath)) ?? null;
}
