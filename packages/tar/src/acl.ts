import type { ExtendedAttribute } from "./entry.ts";

/** Records with an access control list in text, and the attributes that Linux keeps them in. */
const attributes: Readonly<Record<string, string>> = {
  "SCHILY.acl.access": "system.posix_acl_access",
  "SCHILY.acl.default": "system.posix_acl_default",
};
/** Tags of <linux/posix_acl.h>, in the order in which the kernel wants them. */
const tags = { owner: 0x01, user: 0x02, group: 0x04, namedGroup: 0x08, mask: 0x10, other: 0x20 } as const;
/** POSIX_ACL_XATTR_VERSION. */
const version = 2;
/** ACL_UNDEFINED_ID. */
const noId = 0xffff_ffff;
/** The kernel's limit of an attribute, in entries. */
const maxEntries = 8000;

interface AclEntry {
  readonly tag: number;
  readonly permissions: number;
  readonly id: number;
}

/**
 * The attribute that a record of star's, GNU tar's `--acls` or bsdtar's stands for: entries with commas or newlines between, as
 * `user::rwx,user:joe:r-x:1000,mask::r-x`. Names count by the number that follows, or are numbers themselves: names alone mean
 * whatever the reading machine makes of them, and are not taken.
 *
 * @returns undefined for a record of another kind; null for a list that cannot be used.
 * @see acl(5), "LONG TEXT FORM"; linux/posix_acl_xattr.h
 */
export function readAcl(keyword: string, value: Buffer): ExtendedAttribute | null | undefined {
  const name = attributes[keyword];
  if (name === undefined) return undefined;
  const entries: AclEntry[] = [];
  for (const line of value.toString("latin1").split(/[,\n]/)) {
    const text = line.replace(/#.*/, "").trim();
    if (text === "") continue;
    const entry = parseEntry(text);
    if (entry === undefined || entries.length >= maxEntries) return null;
    entries.push(entry);
  }
  const isNamed = entries.some(({ tag }) => tag === tags.user || tag === tags.namedGroup);
  const masks = entries.filter(({ tag }) => tag === tags.mask).length;
  if (masks > 1 || (isNamed && masks === 0)) return null;
  if (![tags.owner, tags.group, tags.other].every((tag) => entries.filter((entry) => entry.tag === tag).length === 1))
    return null;
  entries.sort((a, b) => a.tag - b.tag || a.id - b.id);
  if (entries.some((entry, index) => entry.tag === entries[index - 1]?.tag && entry.id === entries[index - 1]?.id))
    return null;
  return { name: Buffer.from(name), value: encode(entries) };
}

function parseEntry(text: string): AclEntry | undefined {
  const [type = "", qualifier = "", permissionText = "", number] = text.split(":");
  const permissions = parsePermissions(permissionText);
  if (permissions === undefined) return undefined;
  if (type === "mask" || type === "m") return plain(tags.mask, qualifier, permissions);
  if (type === "other" || type === "o") return plain(tags.other, qualifier, permissions);
  const isUser = type === "user" || type === "u";
  if (!isUser && type !== "group" && type !== "g") return undefined;
  if (qualifier === "") return { tag: isUser ? tags.owner : tags.group, permissions, id: noId };
  const id = /^\d{1,10}$/.test(number ?? "") ? number : qualifier;
  if (id === undefined || !/^\d{1,10}$/.test(id) || Number(id) >= noId) return undefined;
  return { tag: isUser ? tags.user : tags.namedGroup, permissions, id: Number(id) };
}

function plain(tag: number, qualifier: string, permissions: number): AclEntry | undefined {
  return qualifier === "" ? { tag, permissions, id: noId } : undefined;
}

/** `rwx` with dashes for what is missing, or the letters alone. */
function parsePermissions(text: string): number | undefined {
  if (!/^[r-]?[w-]?[xX-]?$/.test(text) || text === "") return undefined;
  return (text.includes("r") ? 4 : 0) | (text.includes("w") ? 2 : 0) | (/x/i.test(text) ? 1 : 0);
}

function encode(entries: readonly AclEntry[]): Buffer {
  const bytes = Buffer.alloc(4 + entries.length * 8);
  bytes.writeUInt32LE(version, 0);
  for (const [index, { tag, permissions, id }] of entries.entries()) {
    bytes.writeUInt16LE(tag, 4 + index * 8);
    bytes.writeUInt16LE(permissions, 6 + index * 8);
    bytes.writeUInt32LE(id, 8 + index * 8);
  }
  return bytes;
}
