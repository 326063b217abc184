import { addDescriptor, type Context, isCreated, mayOpenTrees } from "./context.ts";
import type { EnterRoot, MakePathReadonly, MaskPath, Operation } from "./operation.ts";
import { cleanPath } from "./path.ts";
import { pointerTo } from "./pointer.ts";

/**
 * The helper's hold on the root file system: a mount of its own, where there is a mount namespace for it. One that is joined
 * belongs to others, and would keep the mount: there it is made only for a root that is to be read-only.
 */
export function holdRoot(context: Context): Operation {
  const hostPath = context.rootHostPath;
  const from = "/root/path";
  if (!isCreated(context, "mount") && !isReadonly(context)) return { op: "openRoot", hostPath, from };
  if (!isRootOpened(context)) return { op: "bindRoot", hostPath, treeSlot: null, from };
  const treeSlot = addDescriptor(context, { kind: "tree", hostPath, recursive: true, from });
  return { op: "bindRoot", hostPath, treeSlot, from };
}

/** Whether the parent opens the root's tree. What is moved to `/` later has to be somewhere else before. */
export function isRootOpened(context: Context): boolean {
  return mayOpenTrees(context) && isCreated(context, "mount") && context.options.noPivot !== true;
}

/**
 * How the root becomes `/`. A mount namespace that is joined belongs to others: pivot_root(2) and the old root's removal
 * would be theirs too, so there it is chroot(2), as where there is none.
 */
export function enterRoot(context: Context): EnterRoot {
  const method = !isCreated(context, "mount") ? "chroot" : context.options.noPivot === true ? "move" : "pivot";
  return { op: "enterRoot", method, from: "/root/path" };
}

/** `setRootReadonly`, where the config has it. */
export function readonlyRoot(context: Context): Operation[] {
  return isReadonly(context) ? [{ op: "setRootReadonly", from: "/root/readonly" }] : [];
}

function isReadonly(context: Context): boolean {
  return context.spec.root?.readonly === true;
}

/** The paths that are covered: read-only ones first, so that a masked one among them stays masked. */
export function coveredPaths(context: Context): Operation[] {
  const readonlyPaths = (context.linux.readonlyPaths ?? []).map(
    (path, index): MakePathReadonly => ({
      op: "makePathReadonly",
      containerPath: cleanPath(path),
      from: pointerTo("linux", "readonlyPaths", index),
    }),
  );
  const maskedPaths = (context.linux.maskedPaths ?? []).map(
    (path, index): MaskPath => ({
      op: "maskPath",
      containerPath: cleanPath(path),
      from: pointerTo("linux", "maskedPaths", index),
    }),
  );
  return [...readonlyPaths, ...maskedPaths];
}
