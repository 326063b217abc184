import { isRunletError, RunletError } from "@runlet/errors";
import type { Container, Runtime } from "@runlet/lifecycle";

/**
 * The containers that `kill` and `delete` are to act on: the one of that id, or with `--regex` all whose id matches.
 *
 * @throws {@link RunletError} `ERR_RUNLET_USAGE` for what is no regular expression, `ERR_RUNLET_NOT_FOUND` when there is no
 * container of that id.
 */
export async function selectContainers(runtime: Runtime, id: string, isRegex: boolean): Promise<Container[]> {
  if (!isRegex) return [await runtime.load(id)];
  const pattern = compile(id);
  const states = await runtime.list();
  const matching = states.filter((state) => pattern.test(state.id));
  const found = await Promise.all(matching.map((state) => loadIfThere(runtime, state.id)));
  return found.filter((container) => container !== null);
}

/** Another command may have deleted what was listed. */
async function loadIfThere(runtime: Runtime, id: string): Promise<Container | null> {
  try {
    return await runtime.load(id);
  } catch (error) {
    if (isRunletError(error) && error.code === "ERR_RUNLET_NOT_FOUND") return null;
    throw error;
  }
}

function compile(text: string): RegExp {
  try {
    return new RegExp(text, "u");
  } catch (error) {
    throw new RunletError("ERR_RUNLET_USAGE", `${JSON.stringify(text)} is no regular expression`, { cause: error });
  }
}
