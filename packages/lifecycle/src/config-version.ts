import type { Spec } from "@runlet/spec";

/**
 * What a config of an older version of the specification means, in the words of the current one.
 *
 * Before 1.3 a `pids.limit` of 0 was no limit, and engines write it for one: Podman 4 for `--pids-limit=-1`.
 *
 * @returns the same object where nothing differs.
 * @see config-linux.md#pids
 */
export function inCurrentWords(spec: Spec): Spec {
  const [major = 0, minor = 0] = spec.ociVersion.split(".").map(Number);
  const isOlder = major === 1 && minor < 3;
  const { linux } = spec;
  const { resources } = linux ?? {};
  if (!isOlder || resources?.pids?.limit === undefined || Number(resources.pids.limit) !== 0) return spec;
  return { ...spec, linux: { ...linux, resources: { ...resources, pids: { limit: -1 } } } };
}
