import type { Spec } from "@runlet/spec";
import type { Hook, HookKind } from "./operation.ts";
import { pointerTo } from "./pointer.ts";

/** 24 days, the longest that a timer of Node's counts; a longer timeout means none that anybody will see. */
const longestTimeoutMs = 0x7fff_ffff;

/** Every kind of hook, in the order in which they run. */
export const hookKinds = [
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
] as const satisfies readonly HookKind[];

/** The hooks of one kind, in the config's order. */
export function hookOperations(spec: Spec, kind: HookKind): Hook[] {
  return (spec.hooks?.[kind] ?? []).map((hook, index) => ({
    op: "hook",
    kind,
    index,
    path: hook.path,
    // execv(3) takes any first argument; a program without one cannot tell its name.
    args: hook.args === undefined || hook.args.length === 0 ? [hook.path] : [...hook.args],
    env: [...(hook.env ?? [])],
    timeoutMs: hook.timeout === undefined ? null : Math.min(hook.timeout * 1000, longestTimeoutMs),
    from: pointerTo("hooks", kind, index),
  }));
}

/**
 * The poststop hooks, which `delete` runs when nothing is left of the container: they are in no phase of the plan.
 *
 * @see config.md#poststop
 */
export function poststopHooks(spec: Spec): readonly Hook[] {
  return hookOperations(spec, "poststop");
}
