import { addDescriptor, type Context } from "./context.ts";
import { startsInCgroup } from "./namespaces.ts";
import type { CreateCgroup, Operation } from "./operation.ts";
import { specRules } from "./pointer.ts";

/**
 * `createCgroup` where the parent can make the control group before there is a process. Systemd makes a unit for a process
 * that lives: then it is a part of {@link joinCgroup}.
 */
export function createCgroupFirst(context: Context): CreateCgroup[] {
  return context.options.cgroup?.driver === "systemd" ? [] : createCgroup(context);
}

/** How the process gets into its control group, where the clone has not put it there. */
export function joinCgroup(context: Context): Operation[] {
  const { cgroup } = context.options;
  if (cgroup === null) return [];
  if (cgroup.driver === "systemd") return createCgroup(context);
  const controllers = cgroup.controllers.filter((controller) => controller !== "" || !startsInCgroup(context));
  if (controllers.length === 0) return [];
  const from = cgroupsPathPointer(context);
  const slots = controllers.map((controller) => addDescriptor(context, { kind: "cgroupProcs", controller, from }));
  return [{ op: "joinCgroup", slots, from }];
}

/** Says that limits do not hold, where there is no control group to hold them. */
export function warnOfLimitsWithoutCgroup(context: Context): void {
  const { resources, cgroupsPath } = context.linux;
  if (context.options.cgroup !== null) return;
  const message = "has no effect: the container has no control group of its own";
  if (Object.keys(resources ?? {}).length > 0) context.warnings.push({ pointer: "/linux/resources", message });
  if (cgroupsPath !== undefined && cgroupsPath !== "")
    context.warnings.push({ pointer: "/linux/cgroupsPath", message });
}

function createCgroup(context: Context): CreateCgroup[] {
  const { cgroup } = context.options;
  if (cgroup === null) return [];
  return [
    {
      op: "createCgroup",
      path: cgroup.path,
      driver: cgroup.driver,
      writes: cgroup.writes.map((write) => ({ ...write })),
      from: cgroupsPathPointer(context),
    },
  ];
}

function cgroupsPathPointer(context: Context): string {
  const { cgroupsPath } = context.linux;
  return cgroupsPath === undefined ? specRules.cgroupsPath : "/linux/cgroupsPath";
}
