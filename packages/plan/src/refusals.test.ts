import { describe, expect, test } from "vitest";
import { compileOptions, hostFacts, namespaces, planOf, type SpecChanges, smallSpec } from "../test/inputs.ts";
import { compile } from "./compile.ts";

describe("what would reach the host without a namespace", () => {
  test.each<[string, string, SpecChanges]>([
    ["uts", "/hostname", { hostname: "box" }],
    ["uts", "/domainname", { domainname: "box" }],
    ["mount", "/mounts/0", { mounts: [{ destination: "/t", type: "tmpfs" }], linux: {} }],
    ["mount", "/root/readonly", { root: { path: "rootfs", readonly: true }, linux: {} }],
    ["mount", "/linux/maskedPaths", { linux: { maskedPaths: ["/proc/kcore"] } }],
    ["mount", "/linux/readonlyPaths", { linux: { readonlyPaths: ["/proc/sys"] } }],
    ["mount", "/linux/rootfsPropagation", { linux: { rootfsPropagation: "rslave" } }],
    ["mount", "/linux/namespaces/0", { linux: { namespaces: namespaces("user") } }],
    ["network", "/linux/netDevices", { linux: { namespaces: namespaces("mount"), netDevices: { eth1: {} } } }],
    [
      "time",
      "/linux/timeOffsets",
      { linux: { namespaces: namespaces("mount"), timeOffsets: { boottime: { secs: 1 } } } },
    ],
  ])("%s: %s", (type, pointer, changes) => {
    expect(() => planOf(changes)).toThrow(
      expect.objectContaining({
        code: "ERR_RUNLET_NAMESPACE",
        pointer,
        message: expect.stringContaining(`${type} namespace`),
        hint: expect.stringContaining(`"${type}"`),
      }),
    );
  });

  test("an empty list or name asks for nothing", () => {
    const changes = { hostname: "", mounts: [], linux: { maskedPaths: [], netDevices: {}, timeOffsets: {} } };
    expect(planOf(changes).phases).toHaveLength(5);
  });
});

describe("what no operation carries out", () => {
  test.each<[string, SpecChanges]>([
    ["/windows", { windows: { layerFolders: ["c:\\"] } }],
    ["/solaris", { solaris: {} }],
    ["/freebsd", { freebsd: {} }],
    ["/vm", { vm: { kernel: { path: "/k" } } }],
    ["/zos", { zos: {} }],
    ["/process/commandLine", { process: { commandLine: "dir" } }],
    ["/process/user/username", { process: { user: { uid: 0, gid: 0, username: "me" } } }],
    ["/linux/intelRdt", { linux: { namespaces: namespaces("mount"), intelRdt: { closID: "x" } } }],
  ])("%s", (pointer, changes) => {
    expect(() => planOf(changes)).toThrow(expect.objectContaining({ code: "ERR_RUNLET_UNSUPPORTED", pointer }));
  });

  test.each([
    ["root", "ERR_RUNLET_ROOTFS"],
    ["process", "ERR_RUNLET_PROCESS"],
  ] as const)("a config without %s", (field, code) => {
    const { [field]: _, ...spec } = smallSpec();
    expect(() => compile(spec, hostFacts(), compileOptions())).toThrow(expect.objectContaining({ code, pointer: "" }));
  });
});
