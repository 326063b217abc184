import { quote, RunletError } from "@runlet/errors";
import { type Context, isCreated } from "./context.ts";
import type { PropagationFlag } from "./kernel.ts";
import { propagationOf } from "./mount-options.ts";
import type { SetPropagation, SetRootPropagation } from "./operation.ts";
import { specRules } from "./pointer.ts";
import { isRootOpened } from "./root.ts";

const pointer = "/linux/rootfsPropagation";

/**
 * Propagation of the tree that a new mount namespace has inherited, set before anything is mounted: nothing goes from the
 * container to the host unless the config says `shared`, and what the host mounts later arrives unless it says `rprivate`.
 * A tree that is unbindable could not be bound, so that form waits for {@link finalPropagation}.
 *
 * @throws RunletError `ERR_RUNLET_MOUNT` for a form that is not known, or that is not safe with `noPivot`.
 */
export function inheritedPropagation(context: Context): SetRootPropagation[] {
  if (!isCreated(context, "mount")) return [];
  const form = context.linux.rootfsPropagation;
  const flags = configuredPropagation(context);
  const keepsForm = form === "shared" || form === "rshared" || form === "rprivate";
  return [
    {
      op: "setRootPropagation",
      propagation: keepsForm && flags !== undefined ? flags : ["MS_SLAVE", "MS_REC"],
      privateParentOf: isRootOpened(context) ? "/" : context.rootHostPath,
      from: flags === undefined ? specRules.rootfsPropagation : pointer,
    },
  ];
}

/**
 * Propagation of the container's own root, which can be set only when it has become `/`: pivot_root(2) refuses a shared
 * one. `rprivate` is for the root alone: the tree is private already, and mounts that ask for another form keep it.
 */
export function finalPropagation(context: Context): SetPropagation[] {
  const flags = configuredPropagation(context);
  if (flags === undefined) return [];
  const propagation: readonly PropagationFlag[] = flags.includes("MS_PRIVATE") ? ["MS_PRIVATE"] : flags;
  return [{ op: "setPropagation", propagation, from: pointer }];
}

function configuredPropagation(context: Context): readonly PropagationFlag[] | undefined {
  const form = context.linux.rootfsPropagation;
  if (form === undefined || (form as string) === "") return undefined;
  const flags = propagationOf(form);
  if (flags === undefined) {
    throw new RunletError("ERR_RUNLET_MOUNT", `unknown propagation ${quote(String(form))}`, { pointer });
  }
  if (context.options.noPivot === true && flags.includes("MS_PRIVATE")) {
    throw new RunletError("ERR_RUNLET_MOUNT", `rootfsPropagation ${form} is not safe without pivot_root(2)`, {
      pointer,
      hint: "leave out --no-pivot, or rootfsPropagation",
    });
  }
  return flags;
}
