import { formatPlan, planToJson } from "@runlet/plan";
import type { Invocation } from "../command.ts";
import type { planOptions, planPositionals } from "../options/bundle.ts";
import { openRuntime } from "../runtime.ts";

/** Prints what would be done to make a container of a bundle, without doing any of it. */
export async function run(invocation: Invocation<typeof planOptions, typeof planPositionals>): Promise<number> {
  const { options, positionals, print } = invocation;
  const runtime = await openRuntime(invocation);
  const plan = await runtime.plan({
    bundle: positionals.bundle ?? ".",
    noPivot: options["no-pivot"],
    noNewKeyring: options["no-new-keyring"],
    ...(options.config === undefined ? {} : { configPath: options.config }),
  });
  print(options.json ? JSON.stringify(planToJson(plan), undefined, 2) : formatPlan(plan).trimEnd());
  return 0;
}
