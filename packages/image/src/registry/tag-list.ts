import { quote, RunletError } from "@runlet/errors";
import { Endpoint } from "./endpoint.ts";
import { readBody } from "./limited-body.ts";
import { isTag, type RegistryOptions, readOptions } from "./options.ts";
import { resolveLocation } from "./redirect.ts";
import { explainConnection, refusal } from "./registry-failure.ts";

/** Tags that are asked for at once; a registry may give fewer. */
const pageTags = 1000;
/** The longest page that is read. */
const pageLimitBytes = 4 * 1024 * 1024;

/**
 * The tags of a repository, page by page, in the registry's order. Mirrors are not asked.
 *
 * @throws RunletError `ERR_RUNLET_REGISTRY` when the registry refuses or answers what is no list of tags.
 * @see the distribution specification, "Listing Tags"
 */
export async function* listTags(
  options: RegistryOptions & { readonly signal?: AbortSignal | undefined },
): AsyncGenerator<string, void, undefined> {
  const settings = readOptions(options);
  const { host, repository, client } = settings;
  const { signal } = options;
  const endpoint = new Endpoint({ host, repository }, settings);
  const what = `cannot list the tags of ${quote(`${host}/${repository}`)}`;
  const seen = new Set<string>();
  let target: string | URL | undefined = `tags/list?n=${pageTags}`;
  try {
    while (target !== undefined) {
      const response = await endpoint.send({ method: "GET", target, signal });
      if (response.status !== 200) throw await refusal(response, what);
      const tags = readTags(await readBody(response, { limitBytes: pageLimitBytes, what: "the list of tags" }));
      if (tags === undefined) {
        throw new RunletError(
          "ERR_RUNLET_REGISTRY",
          `${what}: ${quote(response.url.host)} answers what is no list of tags`,
        );
      }
      yield* tags;
      const next = readNext(response.header("link"));
      target = next === undefined ? undefined : resolveLocation(next, response.url, endpoint.plainHttpHosts);
      if (target !== undefined && seen.has(target.href)) {
        throw new RunletError("ERR_RUNLET_REGISTRY", `${what}: the pages of ${quote(response.url.host)} have no end`);
      }
      if (target !== undefined) seen.add(target.href);
    }
  } catch (error) {
    throw explainConnection(error, what);
  } finally {
    client[Symbol.dispose]();
  }
}

function readTags(bytes: Uint8Array): string[] | undefined {
  try {
    const { tags } = JSON.parse(new TextDecoder().decode(bytes)) as { tags?: unknown };
    // A repository without tags has null there.
    if (tags === null || tags === undefined) return [];
    return Array.isArray(tags) && tags.every(isTag) ? tags : undefined;
  } catch {
    return undefined;
  }
}

/** The address of the next page. @see RFC 8288 */
function readNext(link: string | undefined): string | undefined {
  return /<([^>]*)>\s*;[^,]*\brel="?next"?/i.exec(link ?? "")?.[1];
}
