import { quote, RunletError } from "@runlet/errors";

/** The greatest id that a user or group can have: 2^32 - 1 stands for none, chown(2). */
const greatestId = 0xffff_fffe;

/** What `--user` says. */
export interface UserOption {
  readonly uid: number;
  readonly gid?: number;
}

/**
 * Reads `UID[:GID]`. Names are never looked up: the container writes the files where they stand (CVE-2016-3697).
 *
 * @throws {@link RunletError} `ERR_RUNLET_USAGE` for what is not a decimal number up to 2^32 - 2 (CVE-2026-30892).
 */
export function parseUser(text: string): UserOption {
  const [uid = "", gid, ...rest] = text.split(":");
  if (rest.length > 0) throw noId("user", text);
  return { uid: parseId("user", uid), ...(gid === undefined ? {} : { gid: parseId("group", gid) }) };
}

/** Reads the id of a group. @throws as {@link parseUser} */
export function parseGroup(text: string): number {
  return parseId("group", text);
}

function parseId(kind: "user" | "group", text: string): number {
  if (!/^[0-9]+$/.test(text) || Number(text) > greatestId) throw noId(kind, text);
  return Number(text);
}

function noId(kind: "user" | "group", text: string): RunletError {
  return new RunletError("ERR_RUNLET_USAGE", `${quote(text)} is not the id of a ${kind}`, {
    hint: `give a number from 0 to ${greatestId}: names are not looked up`,
  });
}
