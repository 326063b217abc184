import { format } from "@runlet/plan";
import { stringifyJson } from "@runlet/validator";
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
  print(options.json ? stringifyJson(withTextualBytes(plan), "  ") : format(plan).trimEnd());
  return 0;
}

/** JSON has no bytes: those of a filter are written in base64. */
function withTextualBytes(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (Array.isArray(value)) return value.map(withTextualBytes);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withTextualBytes(member)]));
}
