import type { LinuxResources } from "@runlet/spec";
import type { CgroupWarning } from "../cgroup.ts";
import { given, resourcesPointer } from "../resource-value.ts";

/** Fields that have no effect on cgroup v1. */
export function resourceWarnings(resources: LinuxResources | undefined): readonly CgroupWarning[] {
  const warnings: CgroupWarning[] = [];
  const memory = `${resourcesPointer}/memory`;
  for (const field of ["kernel", "kernelTCP"] as const) {
    if (given(resources?.memory?.[field]) === undefined) continue;
    warnings.push({
      message: "Kernel memory settings are ignored: the kernel does not honour them",
      pointer: `${memory}/${field}`,
    });
  }
  if (resources?.memory?.useHierarchy === false) {
    warnings.push({
      message: "memory is accounted hierarchically all the same: kernels since 5.11 know no other way",
      pointer: `${memory}/useHierarchy`,
    });
  }
  return warnings;
}
