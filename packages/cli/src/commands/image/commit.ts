import { quote } from "@runlet/errors";
import type { Invocation } from "../../command.ts";
import { commands } from "../../commands.ts";
import { openContainerInstance } from "../../container-instance.ts";
import type { imageCommitOptions, imageCommitPositionals } from "../../options/commit.ts";
import { UsageError } from "../../usage-error.ts";

/** Makes an image of what a container has changed of its own. */
export async function run(
  invocation: Invocation<typeof imageCommitOptions, typeof imageCommitPositionals>,
): Promise<number> {
  const { options, positionals, print } = invocation;
  const { author, comment } = options;
  const created = options.created === undefined ? undefined : readTime(options.created);
  const instance = await openContainerInstance(invocation, positionals.id);
  const { commitInstance } = await import("@runlet/image");
  const { name } = positionals;
  const { descriptor, layer } = await commitInstance(instance, { name, author, comment, created });
  if (options.json) {
    print(JSON.stringify({ name: name ?? null, digest: descriptor.digest, layer: layer ?? null }));
    return 0;
  }
  print(`${name === undefined ? "" : `${name}@`}${descriptor.digest}`);
  return 0;
}

/** RFC 3339, and nothing else that JavaScript takes for a time. */
function readTime(text: string): Date {
  const time = new Date(text);
  if (/^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(time.getTime()))
    return time;
  throw new UsageError(`${quote(text)} is no time: write it as 2026-01-31T12:00:00Z`, {
    command: commands.find(({ name }) => name === "image commit"),
  });
}
