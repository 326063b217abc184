import { posix } from "node:path";
import { RunletError } from "@runlet/errors";
import type { CgroupState, FileCgroup } from "./cgroup.ts";
import { parseFilePath } from "./cgroups-path.ts";
import type { CgroupLayout } from "./layout.ts";
import type { NestedPath } from "./parents.ts";
import { V1Cgroup } from "./v1/cgroup.ts";
import type { V1Place } from "./v1/descriptors.ts";
import { V2Cgroup } from "./v2/cgroup.ts";

/** What {@link fileGroup} makes a control group of. */
export interface FileGroupRequest {
  readonly id: string;
  readonly cgroupsPath?: string | undefined;
  readonly rootless: boolean;
}

/**
 * The control group of a container by file system, v1 or v2 as the host has it.
 *
 * @throws RunletError as {@link parseFilePath}; `ERR_RUNLET_CGROUP` when the host has no control groups.
 */
export function fileGroup(layout: CgroupLayout, request: FileGroupRequest): FileCgroup {
  const { isAbsolute, names } = parseFilePath(request.cgroupsPath, request.id);
  const { rootless } = request;
  const isDefaultPath = request.cgroupsPath === undefined || request.cgroupsPath === "";
  const facts = { hasBfq: layout.hasBfq };
  const { unified } = layout;
  if (layout.kind === "v2" && unified !== null) {
    // As in runc: beside the caller's own group, which has the caller in it and so can have no controllers below.
    const above =
      isAbsolute || unified.ownPath === unified.mountPoint ? unified.mountPoint : posix.dirname(unified.ownPath);
    const nested = nestedBelow(unified.mountPoint, `${above}/${names.join("/")}`);
    const path = `/${nested.names.join("/")}`;
    return new V2Cgroup({ path, nested, controllers: unified.controllers, facts, rootless, isDefaultPath });
  }
  const places: V1Place[] = layout.hierarchies.map(({ controllers, mountPoint, ownPath }) => ({
    controllers,
    nested: { basePath: isAbsolute ? mountPoint : ownPath, names },
  }));
  if (unified !== null) {
    places.push({ controllers: [""], nested: { basePath: isAbsolute ? unified.mountPoint : unified.ownPath, names } });
  }
  if (places.length === 0) throw noCgroups();
  const below = isAbsolute ? "" : ownPathOf(layout);
  return new V1Cgroup({ path: `${below}/${names.join("/")}`, places, facts, rootless, isDefaultPath });
}

/** The caller's own path in most hierarchies, empty for the root. */
function ownPathOf(layout: CgroupLayout): string {
  const first = layout.unified ?? layout.hierarchies[0];
  if (first === undefined || first.ownPath === first.mountPoint) return "";
  return `/${posix.relative(first.mountPoint, first.ownPath)}`;
}

/** The control group that the file system drivers recorded. */
export function recordedFileGroup(state: CgroupState, layout: CgroupLayout): FileCgroup {
  const { path, rootless, isDefaultPath } = state;
  const facts = { hasBfq: layout.hasBfq };
  const unifiedPath = state.cgroup_paths[""];
  if (state.driver === "v2") {
    const mountPoint = layout.unified?.mountPoint ?? "/sys/fs/cgroup";
    const nested = nestedBelow(mountPoint, unifiedPath ?? `${mountPoint}${path}`);
    return new V2Cgroup({
      path,
      nested,
      controllers: layout.unified?.controllers ?? [],
      facts,
      rootless,
      isDefaultPath,
    });
  }
  const controllersOf = new Map<string, string[]>();
  for (const [controller, hostPath] of Object.entries(state.cgroup_paths)) {
    const known = controllersOf.get(hostPath);
    if (known === undefined) controllersOf.set(hostPath, [controller]);
    else known.push(controller);
  }
  const places = [...controllersOf].map(([hostPath, controllers]) => {
    const hierarchy = layout.hierarchies.find((one) => one.controllers.includes(controllers[0] ?? ""));
    const mountPoint = hierarchy?.mountPoint ?? layout.unified?.mountPoint ?? "/";
    return { controllers, nested: nestedBelow(mountPoint, hostPath) };
  });
  return new V1Cgroup({ path, places, facts, rootless, isDefaultPath });
}

/** A directory as names below a mount; of one that lies elsewhere only the last name is ours to touch. */
function nestedBelow(mountPoint: string, hostPath: string): NestedPath {
  const relative = posix.relative(mountPoint, hostPath);
  if (relative === "" || relative.startsWith("..")) {
    return { basePath: posix.dirname(hostPath), names: [posix.basename(hostPath)] };
  }
  return { basePath: mountPoint, names: relative.split("/") };
}

function noCgroups(): RunletError {
  return new RunletError("ERR_RUNLET_CGROUP", "this host has no control groups mounted", {
    hint: "mount cgroup2 at /sys/fs/cgroup, or use --cgroup-manager=disabled",
  });
}
