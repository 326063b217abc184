import { RunletError } from "@runlet/errors";
import type { Platform } from "@runlet/spec";

/**
 * The platform that `--platform` names; undefined without it.
 *
 * @throws RunletError `ERR_RUNLET_USAGE`
 */
export async function readPlatform(options: { readonly platform: string | undefined }): Promise<Platform | undefined> {
  if (options.platform === undefined) return undefined;
  const { parsePlatform } = await import("@runlet/image");
  return parsePlatform(options.platform);
}

/** The same where all may be meant. */
export async function readPlatforms(options: {
  readonly platform: string | undefined;
  readonly "all-platforms": boolean;
}): Promise<Platform | "all" | undefined> {
  if (!options["all-platforms"]) return await readPlatform(options);
  if (options.platform === undefined) return "all";
  throw new RunletError("ERR_RUNLET_USAGE", "--platform and --all-platforms exclude each other");
}
