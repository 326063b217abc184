import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Runtime } from "@runlet/lifecycle";
import type { BundleConfig, BundleSource } from "@runlet/rootfs";
import type { Spec } from "@runlet/spec";

const prefix = "container:";

/** What another container gives to a bundle. */
export interface ContainerSource {
  /** Its files, without what is mounted in it. */
  readonly source: BundleSource;
  /** How its process runs. */
  readonly config: BundleConfig;
}

/** The id in `container:ID`, as `--from` takes it; undefined for anything else, also for a file of such a name. */
export function containerOf(text: string): string | undefined {
  const isContainer = text.startsWith(prefix) && statSync(text, { throwIfNoEntry: false }) === undefined;
  return isContainer ? text.slice(prefix.length) : undefined;
}

/**
 * The files of a container and how it runs. What is mounted there, and so belongs to the host, is left out.
 *
 * @throws RunletError `ERR_RUNLET_NOT_FOUND`, `ERR_RUNLET_STATE`
 */
export async function readContainerSource(runtime: Runtime, id: string): Promise<ContainerSource> {
  const container = await runtime.load(id);
  const { bundle, rootfs } = await container.state();
  const spec = readSpec(bundle);
  const { args, env, cwd, user } = spec.process ?? {};
  const config: BundleConfig = {
    ...(args === undefined ? {} : { args }),
    ...(env === undefined ? {} : { env }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(user === undefined ? {} : { user }),
  };
  const hasOverlay = spec.mounts?.[0]?.destination === "/";
  if (!hasOverlay) return { source: { kind: "directory", hostPath: rootfs }, config };
  const { archiveInstance, ImageStore, openInstance } = await import("@runlet/image");
  const instance = await openInstance(bundle, (hostPath) => ImageStore.open({ hostPath }));
  return { source: { kind: "stream", content: archiveInstance(instance) }, config };
}

/** A bundle that has lost its config.json has a container nevertheless. */
function readSpec(bundleHostPath: string): Partial<Spec> {
  try {
    return JSON.parse(readFileSync(join(bundleHostPath, "config.json"), "utf8")) as Spec;
  } catch {
    return {};
  }
}
