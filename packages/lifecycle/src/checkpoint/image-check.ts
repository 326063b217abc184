import { statSync } from "node:fs";
import { namespaceFiles, namespaceTypes, type Plan } from "@runlet/plan";
import type { LinuxIDMapping, Spec } from "@runlet/spec";
import type { ExternalMount, ExternalNamespace } from "./external-resource.ts";
import { checkCgroups } from "./image-cgroup-check.ts";
import { type ImageDirectory, imageError } from "./image-directory.ts";
import { readImage, readSingle } from "./image-file.ts";
import {
  type IdExtent,
  idsFields,
  inventoryFields,
  type NamespaceIds,
  processFields,
  userNamespaceFields,
} from "./image-message.ts";
import { checkMounts } from "./image-mount-check.ts";
import { checkPrivileges } from "./image-privilege-check.ts";

/** What an image is compared with. */
export interface ImageExpectations {
  readonly spec: Spec;
  readonly plan: Plan;
  readonly rootHostPath: string;
  readonly external: readonly ExternalMount[];
  readonly namespaces: readonly ExternalNamespace[];
  /** Mount points by the paths of the plan, links resolved. */
  readonly mountPoints: ReadonlyMap<string, string>;
  /** Whether CRIU is to restore control groups. */
  readonly restoresCgroups: boolean;
  /** Whether a security profile is given that takes the place of the image's. */
  readonly hasLsmProfile: boolean;
  /** Whether this CRIU saves `no_new_privs`. */
  readonly savesNoNewPrivileges: boolean;
}

/** The oldest format: before it, files have no common magic number. */
const oldestVersion = 2;
/** CRIU restores every container into a time namespace, so that its clocks go on where they stood. */
const comparedNamespaces = namespaceTypes.filter((type) => type !== "time");

/**
 * Compares what an image says with what the config says. CRIU believes an image: one that was made to deceive could put a
 * process into the host's namespaces, mount what is the host's, give it privileges, or write to any control group.
 *
 * @throws RunletError `ERR_RUNLET_CHECKPOINT`.
 */
export function checkImages(images: ImageDirectory, expectations: ImageExpectations): void {
  const inventory = readSingle(images, { name: "inventory", kind: "inventory", schema: inventoryFields });
  const { version = 0, rootIds } = inventory;
  if (version < oldestVersion || rootIds === undefined)
    throw imageError(images.hostPath, "inventory.img", "is too old");
  const processes = readImage(images, { name: "pstree", kind: "pstree", schema: processFields });
  const [first, ...others] = processes;
  if (first === undefined || first.parentPid !== 0 || others.some(({ parentPid = 0 }) => parentPid === 0))
    throw imageError(images.hostPath, "pstree.img", "does not have one first process");
  const ids = readIds(images, first.pid);
  if (ids === undefined) throw imageError(images.hostPath, `ids-${first.pid}.img`, "is missing");
  checkNamespaces(images, { ids, rootIds, pid: first.pid ?? 0, ...expectations });
  for (const { pid } of others) {
    const mount = readIds(images, pid)?.mount;
    if (mount !== undefined && mount !== ids.mount) {
      throw imageError(images.hostPath, `ids-${pid}.img`, "has a process in a mount namespace of its own");
    }
  }
  checkMounts(images, ids.mount ?? 0, expectations);
  checkIdMaps(images, ids, expectations.spec);
  checkPrivileges(
    images,
    processes.flatMap(({ pid = 0, threads = [] }) => [pid, ...threads]),
    expectations,
  );
  if (expectations.restoresCgroups) checkCgroups(images);
}

function readIds(images: ImageDirectory, pid: number | undefined): NamespaceIds | undefined {
  const name = `ids-${pid}`;
  // A process that has ended and was not waited for has none.
  if (!images.names.includes(`${name}.img`)) return undefined;
  return readSingle(images, { name, kind: "ids", schema: idsFields });
}

/** A namespace of the container's own has another number than CRIU's had; any other is that which CRIU is in. */
function checkNamespaces(
  images: ImageDirectory,
  given: Pick<ImageExpectations, "spec" | "namespaces"> & { ids: NamespaceIds; rootIds: NamespaceIds; pid: number },
): void {
  const { ids, rootIds, pid, spec, namespaces } = given;
  for (const type of comparedNamespaces) {
    const isConfigured = spec.linux?.namespaces?.some((namespace) => namespace.type === type) ?? false;
    const joined = namespaces.find((namespace) => namespace.type === type);
    const isOwn = isConfigured && !(joined !== undefined && isOurs(joined));
    const isSame = ids[type] === rootIds[type];
    if (isOwn ? !isSame && ids[type] !== undefined && rootIds[type] !== undefined : isSame) continue;
    throw imageError(
      images.hostPath,
      `ids-${pid}.img`,
      isOwn
        ? `puts the container into the host's ${type} namespace, and config.json into its own`
        : `puts the container into a ${type} namespace of its own, and config.json does not`,
    );
  }
}

/** Whether a namespace that is to be joined is the one that we are in. */
function isOurs({ type, hostPath }: ExternalNamespace): boolean {
  try {
    return statSync(hostPath).ino === statSync(`/proc/self/ns/${namespaceFiles[type]}`).ino;
  } catch {
    return false;
  }
}

function checkIdMaps(images: ImageDirectory, ids: NamespaceIds, { linux = {} }: Spec): void {
  if (!linux.namespaces?.some(({ type }) => type === "user")) return;
  const name = `userns-${ids.user}`;
  const maps = readSingle(images, { name, kind: "userns", schema: userNamespaceFields });
  const isSame = isMap(maps.uidMap, linux.uidMappings) && isMap(maps.gidMap, linux.gidMappings);
  if (!isSame) throw imageError(images.hostPath, `${name}.img`, "has other id mappings than config.json");
}

function isMap(extents: readonly IdExtent[] = [], mappings: readonly LinuxIDMapping[] = []): boolean {
  const one = extents.map(({ first = 0, lowerFirst = 0, count = 0 }) => `${first} ${lowerFirst} ${count}`).sort();
  const other = mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}`).sort();
  return one.join() === other.join();
}
