import { closeSync, constants, openSync } from "node:fs";
import { fgetxattr, fsetxattr, makeDirectories, makeDirectory, removeDirectory } from "@runlet/syscall";
import { errnoOf } from "./cgroup-file.ts";

/**
 * The mark of a parent group that was made for a container: whoever removes the last container below it removes it too.
 * An attribute of the directory itself is seen by every process and goes with it. Kernels before 5.7 know only the
 * `trusted.` kind here, which needs CAP_SYS_ADMIN; where neither is possible the parent stays, as runc leaves it.
 */
const marks = ["user.runlet.parent", "trusted.runlet.parent"] as const;

/** Less the umask. */
const directoryMode = 0o777;

/** A control group below a directory that is not ours to make. */
export interface NestedPath {
  /** Host path of the hierarchy's mount, or of the runtime's own control group. */
  readonly basePath: string;
  /** Names of the directories below it; the last is the container's. */
  readonly names: readonly string[];
}

/** Host path of the container's directory. */
export function leafPath(nested: NestedPath): string {
  const { basePath, names } = nested;
  return names.length === 1 ? `${basePath}/${names[0]}` : `${basePath}/${names.join("/")}`;
}

/** Host paths of the directories between, outermost first. */
function parentPaths(nested: NestedPath): string[] {
  const paths: string[] = [];
  let path = nested.basePath;
  for (const name of nested.names.slice(0, -1)) {
    path = `${path}/${name}`;
    paths.push(path);
  }
  return paths;
}

/**
 * Makes the container's directory and those above it that are missing.
 *
 * @param onParent - called for each directory above the leaf, outermost first, once it is there.
 * @returns whether the leaf was made; false when it was there.
 * @throws SyscallError
 */
export function makeLeaf(nested: NestedPath, onParent?: (hostPath: string) => void): boolean {
  const leaf = leafPath(nested);
  // Whoever removes the last container below a shared parent removes the parent: it may vanish under our hands.
  for (let attempt = 0; ; attempt++) {
    if (onParent !== undefined) makeParents(nested, onParent);
    try {
      makeDirectory(leaf, directoryMode);
      return true;
    } catch (error) {
      const code = errnoOf(error);
      if (code === "EEXIST") return false;
      if (code !== "ENOENT" || nested.names.length === 1 || attempt >= 10) throw error;
      if (onParent === undefined) makeParents(nested);
    }
  }
}

/**
 * Makes the directories of a container's hierarchies in one call, where none has others of the container's above it.
 *
 * @returns how many have been made, from the first on; the others are for {@link makeLeaf}, which says why.
 */
export function makeLeaves(hierarchies: readonly NestedPath[]): number {
  if (hierarchies.some(({ names }) => names.length > 1)) return 0;
  return makeDirectories(hierarchies.map(leafPath), directoryMode);
}

function makeParents(nested: NestedPath, onParent?: (hostPath: string) => void): void {
  for (const path of parentPaths(nested)) {
    try {
      makeDirectory(path, directoryMode);
      mark(path);
    } catch (error) {
      const code = errnoOf(error);
      if (code === "ENOENT" && path !== `${nested.basePath}/${nested.names[0]}`) return;
      if (code !== "EEXIST") throw error;
    }
    onParent?.(path);
  }
}

/**
 * Takes back what {@link makeLeaf} made, after an error that is the one to tell.
 *
 * @param isNew - whether the leaf was made.
 */
export function removeMade(nested: NestedPath, isNew: boolean): void {
  try {
    if (isNew) removeDirectory(leafPath(nested));
  } catch {
    // It stays: the container's own delete tries again.
  }
  removeMarkedParents(nested);
}

/** Removes the marked parents that are empty, innermost first. Others are left without a word. */
export function removeMarkedParents(nested: NestedPath): void {
  for (const path of parentPaths(nested).reverse()) {
    try {
      if (!isMarked(path)) return;
      removeDirectory(path);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") return;
    }
  }
}

function mark(hostPath: string): void {
  withDirectory(hostPath, (fd) => {
    for (const name of marks) {
      try {
        fsetxattr({ fd, name, value: new Uint8Array([1]) });
        return;
      } catch {}
    }
  });
}

function isMarked(hostPath: string): boolean {
  return withDirectory(hostPath, (fd) =>
    marks.some((name) => {
      try {
        return fgetxattr(fd, name) !== undefined;
      } catch {
        return false;
      }
    }),
  );
}

function withDirectory<Result>(hostPath: string, use: (fd: number) => Result): Result {
  const fd = openSync(hostPath, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}
