import { describe, expect, test } from "vitest";
import { mountOptionNames, parseMountOptions } from "./mount-options.ts";

describe("attributes", () => {
  test.each([
    ["ro", ["MOUNT_ATTR_RDONLY"], []],
    ["rw", [], ["MOUNT_ATTR_RDONLY"]],
    ["nosuid", ["MOUNT_ATTR_NOSUID"], []],
    ["suid", [], ["MOUNT_ATTR_NOSUID"]],
    ["nodev", ["MOUNT_ATTR_NODEV"], []],
    ["dev", [], ["MOUNT_ATTR_NODEV"]],
    ["noexec", ["MOUNT_ATTR_NOEXEC"], []],
    ["exec", [], ["MOUNT_ATTR_NOEXEC"]],
    ["nodiratime", ["MOUNT_ATTR_NODIRATIME"], []],
    ["diratime", [], ["MOUNT_ATTR_NODIRATIME"]],
    ["nosymfollow", ["MOUNT_ATTR_NOSYMFOLLOW"], []],
    ["symfollow", [], ["MOUNT_ATTR_NOSYMFOLLOW"]],
    ["noatime", ["MOUNT_ATTR_NOATIME"], ["MOUNT_ATTR__ATIME"]],
    ["atime", ["MOUNT_ATTR_RELATIME"], ["MOUNT_ATTR__ATIME"]],
    ["relatime", ["MOUNT_ATTR_RELATIME"], ["MOUNT_ATTR__ATIME"]],
    ["norelatime", [], []],
    ["strictatime", ["MOUNT_ATTR_STRICTATIME"], ["MOUNT_ATTR__ATIME"]],
    ["nostrictatime", ["MOUNT_ATTR_RELATIME"], ["MOUNT_ATTR__ATIME"]],
  ])("%s, and its form for the whole tree", (option, set, clear) => {
    const own = parseMountOptions([option]);
    expect(own.attributes).toEqual({ set, clear });
    expect(own.recursiveAttributes).toEqual({ set: [], clear: [] });
    const tree = parseMountOptions([`r${option}`]);
    expect(tree.recursiveAttributes).toEqual({ set, clear });
    expect(tree.attributes).toEqual({ set: [], clear: [] });
  });

  test("of contradicting options the last holds", () => {
    expect(parseMountOptions(["ro", "rw"]).attributes).toEqual({ set: [], clear: ["MOUNT_ATTR_RDONLY"] });
    expect(parseMountOptions(["rw", "ro"]).attributes).toEqual({ set: ["MOUNT_ATTR_RDONLY"], clear: [] });
  });

  test("access times are one field, which the last mode has", () => {
    expect(parseMountOptions(["noatime", "strictatime", "nodiratime"]).attributes).toEqual({
      set: ["MOUNT_ATTR_STRICTATIME", "MOUNT_ATTR_NODIRATIME"],
      clear: ["MOUNT_ATTR__ATIME"],
    });
  });

  test("norelatime takes relatime back, and leaves noatime alone", () => {
    expect(parseMountOptions(["relatime", "norelatime"]).attributes).toEqual({ set: [], clear: [] });
    expect(parseMountOptions(["noatime", "norelatime"]).attributes.set).toEqual(["MOUNT_ATTR_NOATIME"]);
  });
});

test.each([
  ["shared", ["MS_SHARED"]],
  ["slave", ["MS_SLAVE"]],
  ["private", ["MS_PRIVATE"]],
  ["unbindable", ["MS_UNBINDABLE"]],
  ["rshared", ["MS_SHARED", "MS_REC"]],
  ["rslave", ["MS_SLAVE", "MS_REC"]],
  ["rprivate", ["MS_PRIVATE", "MS_REC"]],
  ["runbindable", ["MS_UNBINDABLE", "MS_REC"]],
])("propagation %s", (option, flags) => {
  expect(parseMountOptions([option]).propagations).toEqual([flags]);
});

test("propagations stay in order: slave and then shared is both", () => {
  expect(parseMountOptions(["rslave", "shared"]).propagations).toEqual([["MS_SLAVE", "MS_REC"], ["MS_SHARED"]]);
});

test.each([
  [["sync"], ["sync"]],
  [["sync", "async"], ["async"]],
  [
    ["lazytime", "dirsync"],
    ["lazytime", "dirsync"],
  ],
  [
    ["lazytime", "nolazytime", "mand", "nomand"],
    ["nolazytime", "nomand"],
  ],
])("options of the superblock: %j", (options, superblock) => {
  expect(parseMountOptions(options).superblock).toEqual(superblock);
  expect(parseMountOptions(options).data).toEqual([]);
});

test.each(["defaults", "silent", "loud"])("%s changes nothing", (option) => {
  expect(parseMountOptions([option])).toEqual(parseMountOptions([]));
});

test("kinds of mount", () => {
  expect(parseMountOptions(["bind"]).bind).toBe("bind");
  expect(parseMountOptions(["rbind"]).bind).toBe("rbind");
  expect(parseMountOptions(["remount"]).remount).toBe(true);
  expect(parseMountOptions(["idmap"]).idmap).toBe("idmap");
  expect(parseMountOptions(["ridmap"]).idmap).toBe("ridmap");
  expect(parseMountOptions(["tmpcopyup"]).tmpcopyup).toBe(true);
  expect(parseMountOptions(["iversion", "noiversion"]).iversion).toBe(false);
  expect(parseMountOptions(["iversion"]).iversion).toBe(true);
});

test("what is not known goes to the file system, split at the first =", () => {
  expect(parseMountOptions(["mode=1777", "newinstance", "lowerdir=/a=b:/c", "constructor", "rfoo"]).data).toEqual([
    { key: "mode", value: "1777" },
    { key: "newinstance", value: null },
    { key: "lowerdir", value: "/a=b:/c" },
    { key: "constructor", value: null },
    { key: "rfoo", value: null },
  ]);
});

test("the list of names holds every option of the specification, each known to the parser", () => {
  const expected =
    "async atime bind defaults dev diratime dirsync exec idmap iversion lazytime loud mand noatime nodev nodiratime noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime relatime remount rexec ridmap rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid symfollow sync tmpcopyup unbindable";
  expect(mountOptionNames).toEqual(expected.split(" "));
  for (const name of mountOptionNames) expect(parseMountOptions([name]).data).toEqual([]);
});
