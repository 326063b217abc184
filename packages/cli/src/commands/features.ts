import { features } from "@runlet/lifecycle";
import type { Invocation } from "../command.ts";
import { programVersion } from "../version.ts";

/** Prints what is supported as JSON. @see features.md */
export function run({ print }: Invocation): number {
  print(JSON.stringify({ ...features(), annotations: { "runlet.version": programVersion() } }, undefined, 2));
  return 0;
}
