/** A line of passwd(5). */
export interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** A line of group(5). */
export interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** The largest id that a process can have: one less than what stands for none. */
const maxId = 0xffff_fffe;

/** Reads an id in decimal digits. @returns undefined for anything else, and for what the kernel would cut (CVE-2016-3697). */
export function parseId(text: string): number | undefined {
  if (!/^[0-9]{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= maxId ? id : undefined;
}

/** Reads `/etc/passwd`. Lines that are none of its form are passed over, as the C library does. */
export function parsePasswd(bytes: Uint8Array): PasswdEntry[] {
  return linesOf(bytes).flatMap(([name, , uidText, gidText]) => {
    const uid = parseId(uidText ?? "");
    const gid = parseId(gidText ?? "");
    return name === undefined || name === "" || uid === undefined || gid === undefined ? [] : [{ name, uid, gid }];
  });
}

/** Reads `/etc/group`. Lines that are none of its form are passed over. */
export function parseGroups(bytes: Uint8Array): GroupEntry[] {
  return linesOf(bytes).flatMap(([name, , gidText, memberText = ""]) => {
    const gid = parseId(gidText ?? "");
    const members = memberText
      .split(",")
      .map((member) => member.trim())
      .filter((member) => member !== "");
    return name === undefined || name === "" || gid === undefined ? [] : [{ name, gid, members }];
  });
}

function linesOf(bytes: Uint8Array): string[][] {
  // Bytes as Latin-1: a name compares equal to itself whatever its encoding.
  return Buffer.from(bytes)
    .toString("latin1")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(":"));
}
