import { quote } from "@runlet/errors";
import { Endpoint } from "./endpoint.ts";
import { drainBody } from "./limited-body.ts";
import { type RegistryOptions, readOptions } from "./options.ts";
import { explainConnection, refusal } from "./registry-failure.ts";

/**
 * Finds out whether a registry is there and takes the credentials.
 *
 * @throws RunletError `ERR_RUNLET_REGISTRY` or `ERR_RUNLET_TIMEOUT` where it is not so.
 * @see the distribution specification, "Determining Support"
 */
export async function pingRegistry(
  options: Omit<RegistryOptions, "mirrors"> & { readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const settings = readOptions(options);
  const { host, repository, client } = settings;
  const what = `cannot talk to ${quote(host)}`;
  try {
    const response = await new Endpoint({ host, repository }, settings).ping(options.signal);
    if (response.status !== 200) throw await refusal(response, what);
    await drainBody(response);
  } catch (error) {
    throw explainConnection(error, what);
  } finally {
    client[Symbol.dispose]();
  }
}
