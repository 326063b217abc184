import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Runtime } from "@runlet/lifecycle";
import { encode, type Plan } from "@runlet/plan";
import type { Scene } from "./scene.ts";

const repository = resolve(import.meta.dirname, "../..");
const id = "bare";
/** Behind descriptors 0, 1 and 2 and the control socket. */
const firstSlotFd = 4;

/**
 * The command line of `native/bare.c`: it makes the system calls of the library, so it is given what they are made with, the
 * encoded plan and the record of a container that the library has made here.
 *
 * @param root - a state root of its own.
 * @returns undefined on a host whose control groups it does not know: all but those of v1.
 */
export async function bareCommand(scene: Scene, root: string): Promise<string[] | undefined> {
  const runtime = new Runtime({ root });
  const plan = await runtime.plan({ bundle: scene.bundle, id });
  if (!joinsByTasks(plan)) return undefined;
  const container = await runtime.create(id, { bundle: scene.bundle, stdio: "null" });
  const record = readFileSync(join(root, id, "state.json"), "utf8");
  await container.delete({ force: true });
  const planPath = join(scene.directory, "plan");
  const recordPath = join(scene.directory, "record");
  writeFileSync(planPath, encode(plan, { firstSlotFd }));
  writeFileSync(recordPath, record);
  const hostPaths = JSON.parse(record).cgroup_paths as Record<string, string>;
  const groups = plan.descriptors.flatMap((descriptor) =>
    descriptor.kind === "cgroupProcs" ? [hostPaths[descriptor.controller] ?? ""] : [],
  );
  const helper = join(repository, `packages/syscall/prebuilds/linux-${process.arch}/runlet-init`);
  return [scene.barePath, helper, planPath, recordPath, scene.bundle, root, id, ...groups];
}

/** Whether the container's process begins outside of its control group and joins only hierarchies of v1. */
function joinsByTasks({ phases, descriptors }: Plan): boolean {
  const intoCgroup = phases.some(({ operations }) => operations.some((one) => one.op === "clone" && one.intoCgroup));
  const controllers = descriptors.flatMap((one) => (one.kind === "cgroupProcs" ? [one.controller] : []));
  return !intoCgroup && controllers.length > 0 && !controllers.includes("");
}
