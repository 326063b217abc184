import type { LinuxResources } from "@runlet/spec";
import type { CgroupWarning } from "../cgroup.ts";
import { given, resourcesPointer } from "../resource-value.ts";

/** Fields that have no effect on cgroup v2. Those that ask for what v2 cannot do at all are errors, see `limits.ts`. */
export function resourceWarnings(resources: LinuxResources | undefined): readonly CgroupWarning[] {
  const warnings: CgroupWarning[] = [];
  const memory = `${resourcesPointer}/memory`;
  for (const field of ["kernel", "kernelTCP"] as const) {
    if (given(resources?.memory?.[field]) === undefined) continue;
    warnings.push({
      message: "Kernel memory settings are ignored: v2 counts kernel memory with the rest",
      pointer: `${memory}/${field}`,
    });
  }
  if (resources?.memory?.useHierarchy === false) {
    warnings.push({ message: "v2 accounts memory hierarchically all the same", pointer: `${memory}/useHierarchy` });
  }
  return warnings;
}
