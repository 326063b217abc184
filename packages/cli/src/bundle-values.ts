import { RunletError } from "@runlet/errors";
import type { Mount, User } from "@runlet/spec";

/**
 * @param text - `UID` or `UID:GID`; the group is 0 when left out.
 * @throws {@link RunletError} `ERR_RUNLET_USAGE`.
 */
export function parseUser(text: string): User {
  const [, uid, gid = "0"] = /^([0-9]+)(?::([0-9]+))?$/.exec(text) ?? [];
  if (uid === undefined || Number(uid) > 0xffffffff || Number(gid) > 0xffffffff) {
    throw new RunletError("ERR_RUNLET_USAGE", `${JSON.stringify(text)} is no user`, {
      hint: "give numbers: 1000 or 1000:1000",
    });
  }
  return { uid: Number(uid), gid: Number(gid) };
}

/**
 * @param text - `SOURCE:DESTINATION[:OPTIONS]`, options separated by commas. Bound recursively unless an option says `bind`.
 * @throws {@link RunletError} `ERR_RUNLET_USAGE`.
 */
export function parseMount(text: string): Mount {
  const [source = "", destination = "", options, ...rest] = text.split(":");
  if (source === "" || !destination.startsWith("/") || rest.length > 0) {
    throw new RunletError("ERR_RUNLET_USAGE", `${JSON.stringify(text)} is no mount`, {
      hint: "write SOURCE:DESTINATION[:OPTIONS] with an absolute destination, for example /srv/data:/data:ro",
    });
  }
  const given = options === undefined || options === "" ? [] : options.split(",");
  const isBound = given.includes("bind") || given.includes("rbind");
  return { destination, type: "bind", source, options: isBound ? given : ["rbind", ...given] };
}
