import { describe, expect, test } from "vitest";
import { readAcl } from "./acl.ts";

/** The attribute's entries as `tag:permissions:id` in hexadecimal, octal and decimal digits. */
function entriesOf(text: string, keyword = "SCHILY.acl.access"): string[] | null | undefined {
  const acl = readAcl(keyword, Buffer.from(text));
  if (acl === null || acl === undefined) return acl;
  expect(acl.value.readUInt32LE(0)).toBe(2);
  return Array.from({ length: (acl.value.length - 4) / 8 }, (_, index) => {
    const at = 4 + index * 8;
    const id = acl.value.readUInt32LE(at + 4);
    const [tag, permissions] = [acl.value.readUInt16LE(at), acl.value.readUInt16LE(at + 2)];
    return `${tag.toString(16)}:${permissions}${id === 0xffff_ffff ? "" : `:${id}`}`;
  });
}

describe("lists that are read", () => {
  test.each([
    ["user::rwx,group::r-x,other::r--", ["1:7", "4:5", "20:4"]],
    ["user::rwx\nuser:joe:r--:1000\ngroup::r-x\nmask::r-x\nother::---\n", ["1:7", "2:4:1000", "4:5", "10:5", "20:0"]],
    // In any order, by numbers alone, in short forms, with comments.
    ["o::r,m::rwx,g:7:w,g::x,u:5:rw # five,u:1000:r", null],
    ["o::r,m::rwx,g:7:w,g::x,u:5:rw,u:1000:r,u::rwx", ["1:7", "2:6:5", "2:4:1000", "4:1", "8:2:7", "10:7", "20:4"]],
    ["user:\u00fc:rwx:7,user::rwx,group::---,mask::rwx,other::---", ["1:7", "2:7:7", "4:0", "10:7", "20:0"]],
    ["user::rwx,group::r-x,other::r--,user:root:r--:0,mask::---", ["1:7", "2:4:0", "4:5", "10:0", "20:4"]],
  ])("%j", (text, entries) => {
    expect(entriesOf(text)).toEqual(entries);
  });

  test("by their attribute", () => {
    const text = Buffer.from("user::rwx,group::r-x,other::r--");
    expect(readAcl("SCHILY.acl.access", text)?.name.toString()).toBe("system.posix_acl_access");
    expect(readAcl("SCHILY.acl.default", text)?.name.toString()).toBe("system.posix_acl_default");
    expect(readAcl("SCHILY.xattr.user.x", text)).toBeUndefined();
  });
});

test.each([
  "",
  "user::rwx",
  "user::rwx,group::r-x",
  "user:joe:rwx,user::rwx,group::r-x,mask::r-x,other::r--",
  "user:1:rwx,user::rwx,group::r-x,other::r--",
  "user::rwx,user::rwx,group::r-x,other::r--",
  "user:1:r,user:1:w,user::rwx,group::r-x,mask::r,other::r--",
  "user::rwx,group::r-x,other::r--,mask::r,mask::r",
  "user::rwx,group::r-x,other::r--,user:4294967295:r,mask::r",
  "user::rwx,group::r-x,other::r--,mask:1:r",
  "user::rwz,group::r-x,other::r--",
  "owner@:rwx::allow",
  Array(9000).fill("user:1:r").join(","),
])("%.40j cannot be used", (text) => {
  expect(entriesOf(text)).toBeNull();
});
