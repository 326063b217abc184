import { quote, RunletError } from "@runlet/errors";
import type { User } from "@runlet/spec";
import type { ContainerFiles } from "../layers/merged-tree.ts";
import { type GroupEntry, type PasswdEntry, parseGroups, parseId, parsePasswd } from "./account-files.ts";

/** Account files of more bytes are refused. */
const maxFileBytes = 4 << 20;

/**
 * The ids of an image's `User`: `user`, `uid`, `user:group`, `uid:gid`, `uid:group`, `user:gid`; empty is root. Numbers are taken
 * as they are; names are those of the container's own `/etc/passwd` and `/etc/group`, never of the host. A user given by name
 * alone gets the groups that list it.
 *
 * @param files - the container's root filesystem.
 * @throws RunletError `ERR_RUNLET_IMAGE` for names that are not there, ids that cannot be, or account files too large.
 * @see OCI image specification, conversion.md#configuser
 */
export function lookUpUser(text: string, files: ContainerFiles): User {
  const colon = text.indexOf(":");
  const userText = colon < 0 ? text : text.slice(0, colon);
  const groupText = colon < 0 ? undefined : text.slice(colon + 1);
  const refuse = (reason: string, hint?: string): never => {
    throw new RunletError("ERR_RUNLET_IMAGE", `the image's user ${quote(text)}: ${reason}`, { hint });
  };
  if (groupText !== undefined && (groupText === "" || groupText.includes(":")))
    return refuse("a user is written as user, uid, user:group or uid:gid");

  const numericUid = userText === "" ? 0 : parseId(userText);
  if (numericUid === undefined && /^[0-9]+$/.test(userText)) return refuse("there is no such uid");
  const passwd = readEntries(files, "/etc/passwd", parsePasswd);
  const account = findAccount(passwd, { name: userText, uid: numericUid });
  const uid = numericUid ?? account?.uid;
  if (uid === undefined)
    return refuse(`there is no user ${quote(userText)} in its /etc/passwd`, "name a user by its uid: --user UID:GID");

  if (groupText !== undefined) {
    const numericGid = parseId(groupText);
    if (numericGid !== undefined) return { uid, gid: numericGid };
    if (/^[0-9]+$/.test(groupText)) return refuse("there is no such gid");
    const group = readEntries(files, "/etc/group", parseGroups).find(({ name }) => name === latin1(groupText));
    if (group === undefined)
      return refuse(`there is no group ${quote(groupText)} in its /etc/group`, "name a group by its gid");
    return { uid, gid: group.gid };
  }
  const gid = account?.gid ?? 0;
  // Of a uid the specification wants no groups; who is nobody in particular is root, and has root's.
  const hasGroups = account !== undefined && (userText === "" || numericUid === undefined);
  const groups = hasGroups ? groupsOf(account, readEntries(files, "/etc/group", parseGroups)) : [];
  const additionalGids = [...new Set(groups.map((group) => group.gid))].filter((other) => other !== gid);
  return { uid, gid, ...(additionalGids.length === 0 ? {} : { additionalGids }) };
}

function findAccount(
  passwd: readonly PasswdEntry[],
  wanted: { name: string; uid: number | undefined },
): PasswdEntry | undefined {
  const { name, uid } = wanted;
  return passwd.find((entry) => (uid === undefined ? entry.name === latin1(name) : entry.uid === uid));
}

function groupsOf(account: PasswdEntry, groups: readonly GroupEntry[]): readonly GroupEntry[] {
  return groups.filter(({ members }) => members.includes(account.name));
}

function readEntries<Entry>(
  files: ContainerFiles,
  containerPath: string,
  parse: (bytes: Uint8Array) => Entry[],
): Entry[] {
  const bytes = files.readFileIfExists(containerPath, maxFileBytes);
  return bytes === undefined ? [] : parse(bytes);
}

/** The form in which names of account files are compared. */
function latin1(text: string): string {
  return Buffer.from(text).toString("latin1");
}
