import { resolve } from "node:path";
import { quote, RunletError } from "@runlet/errors";
import type { Mount, User } from "@runlet/spec";
import { parseBytes } from "./byte-size.ts";
import type { OptionValues } from "./command.ts";
import type { configOptions } from "./options/config.ts";

/** What {@link configOptions} say, in the words of `BundleConfig` and of `ImageChanges`. */
interface ConfigValues {
  readonly env: readonly string[];
  readonly mounts: readonly Mount[];
  readonly terminal: boolean;
  readonly cwd?: string;
  readonly hostname?: string;
  readonly memoryLimitBytes?: number;
}

/** @throws {@link RunletError} `ERR_RUNLET_USAGE`. */
export function readConfigOptions(options: OptionValues<typeof configOptions>): ConfigValues {
  const { env, terminal, cwd, hostname, memory, mount } = options;
  return {
    env,
    terminal,
    mounts: mount.map(parseMount),
    ...(cwd === undefined ? {} : { cwd }),
    ...(hostname === undefined ? {} : { hostname }),
    ...(memory === undefined ? {} : { memoryLimitBytes: parseBytes(memory) }),
  };
}

/**
 * @param text - `UID` or `UID:GID`; the group is 0 when left out.
 * @throws {@link RunletError} `ERR_RUNLET_USAGE`.
 */
export function parseUser(text: string): User {
  const [, uid, gid = "0"] = /^([0-9]+)(?::([0-9]+))?$/.exec(text) ?? [];
  if (uid === undefined || Number(uid) > 0xffffffff || Number(gid) > 0xffffffff) {
    throw new RunletError("ERR_RUNLET_USAGE", `${quote(text)} is no user`, {
      hint: "give numbers: 1000 or 1000:1000",
    });
  }
  return { uid: Number(uid), gid: Number(gid) };
}

/**
 * @param text - `SOURCE:DESTINATION[:OPTIONS]`, options separated by commas. Bound recursively unless an option says `bind`;
 *   a relative source is below the working directory.
 * @throws {@link RunletError} `ERR_RUNLET_USAGE`.
 */
export function parseMount(text: string): Mount {
  const [source = "", destination = "", options, ...rest] = text.split(":");
  if (source === "" || !destination.startsWith("/") || rest.length > 0) {
    throw new RunletError("ERR_RUNLET_USAGE", `${quote(text)} is no mount`, {
      hint: "write SOURCE:DESTINATION[:OPTIONS] with an absolute destination, for example /srv/data:/data:ro",
    });
  }
  const given = options === undefined || options === "" ? [] : options.split(",");
  const isBound = given.includes("bind") || given.includes("rbind");
  return { destination, type: "bind", source: resolve(source), options: isBound ? given : ["rbind", ...given] };
}
