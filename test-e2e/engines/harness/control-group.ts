import { join } from "node:path";
import { cgroupLayout } from "../../harness/requirements.ts";
import type { Scene } from "./scene.ts";

/**
 * Reads files of the control group that a process of a scene is in.
 *
 * @param files - their names; on v1 with the controller before them, as in `memory/memory.limit_in_bytes`.
 * @returns the words of all of them.
 */
export async function readControlGroup(
  scene: Scene,
  pid: number,
  files: { readonly v1: readonly string[]; readonly v2: readonly string[] },
): Promise<string[]> {
  const membership = (await scene.succeed(["cat", `/proc/${pid}/cgroup`])).stdout;
  const paths =
    cgroupLayout === "v2"
      ? files.v2.map((file) => join("/sys/fs/cgroup", groupOf(membership, ""), file))
      : files.v1.map((file) => {
          const [controller = "", name = ""] = file.split("/");
          return join("/sys/fs/cgroup", controller, groupOf(membership, controller), name);
        });
  const { stdout } = await scene.succeed(["cat", ...paths]);
  return stdout.split(/\s+/).filter((word) => word !== "");
}

/** The group of a controller in a file `/proc/PID/cgroup`. */
function groupOf(membership: string, controller: string): string {
  for (const line of membership.split("\n")) {
    const [, controllers = "", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers.split(",").includes(controller)) return path;
  }
  throw new Error(`no group of ${controller || "version 2"} in ${JSON.stringify(membership)}`);
}
