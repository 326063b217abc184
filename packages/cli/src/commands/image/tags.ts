import type { Invocation } from "../../command.ts";
import { registryAccess } from "../../image/registry-access.ts";
import type { imageTagsOptions, imageTagsPositionals } from "../../options/image.ts";

/** Lists the tags of a repository. */
export async function run({
  options,
  positionals,
  print,
}: Invocation<typeof imageTagsOptions, typeof imageTagsPositionals>): Promise<number> {
  const { listTags, parseReference } = await import("@runlet/image");
  const { registry, repository } = parseReference(positionals.repository.replace(/^docker:\/\//, ""));
  const access = await registryAccess(options, registry);
  for await (const tag of listTags({ host: registry, repository, ...access })) print(tag);
  return 0;
}
