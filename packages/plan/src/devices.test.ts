import type { LinuxDevice, Mount } from "@runlet/spec";
import { describe, expect, test } from "vitest";
import { namespaces, operationsOf, planOf } from "../test/inputs.ts";

const defaultPaths = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];
const linkPaths = ["/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/core", "/dev/ptmx"];

function planOfDevices(devices: LinuxDevice[], mounts: Mount[] = []) {
  return planOf({ linux: { namespaces: namespaces("mount"), devices }, mounts });
}

function devicePaths(plan: ReturnType<typeof planOfDevices>) {
  return operationsOf(plan, "makeDevice").map(({ containerPath }) => containerPath);
}

function linkPathsOf(plan: ReturnType<typeof planOfDevices>) {
  return operationsOf(plan, "symlink").map(({ containerPath }) => containerPath);
}

test("default devices and links", () => {
  const plan = planOf();
  expect(devicePaths(plan)).toEqual(defaultPaths);
  expect(operationsOf(plan, "makeDevice")[0]).toEqual({
    op: "makeDevice",
    containerPath: "/dev/null",
    type: "c",
    major: 1,
    minor: 3,
    mode: 0o666,
    uid: 0,
    gid: 0,
    bind: false,
    from: "spec:config-linux.md#default-devices",
  });
  expect(operationsOf(plan, "symlink").map(({ containerPath, target }) => [containerPath, target])).toEqual([
    ["/dev/fd", "/proc/self/fd"],
    ["/dev/stdin", "/proc/self/fd/0"],
    ["/dev/stdout", "/proc/self/fd/1"],
    ["/dev/stderr", "/proc/self/fd/2"],
    ["/dev/core", "/proc/kcore"],
    ["/dev/ptmx", "pts/ptmx"],
  ]);
});

test("no /dev/core without /proc/kcore", () => {
  expect(linkPathsOf(planOf({}, { host: { hasKcore: false } }))).not.toContain("/dev/core");
});

test("a device of the config takes a default one's place", () => {
  const plan = planOfDevices([{ type: "c", path: "/dev/./null", major: 1, minor: 5, fileMode: 0o600, uid: 7, gid: 8 }]);
  expect(devicePaths(plan)).toEqual([...defaultPaths.slice(1), "/dev/null"]);
  expect(operationsOf(plan, "makeDevice").at(-1)).toMatchObject({
    minor: 5,
    mode: 0o600,
    uid: 7,
    gid: 8,
    from: "/linux/devices/0",
  });
});

test("of two with the same path the last holds", () => {
  const plan = planOfDevices([
    { type: "c", path: "/dev/x", major: 1, minor: 3 },
    { type: "b", path: "/dev/x", major: 8, minor: 0 },
  ]);
  expect(operationsOf(plan, "makeDevice").filter(({ containerPath }) => containerPath === "/dev/x")).toMatchObject([
    { type: "b", from: "/linux/devices/1" },
  ]);
});

test.each([
  ["u", { type: "u", path: "/dev/x", major: 4, minor: 64n }, { type: "c", major: 4, minor: 64 }],
  ["a pipe without numbers", { type: "p", path: "/dev/x" }, { type: "p", major: 0, minor: 0 }],
  [
    "a mode with the bits of the type, as Podman's",
    { type: "c", path: "/dev/x", major: 1, minor: 3, fileMode: 8630 },
    { mode: 0o666 },
  ],
  ["setuid bits", { type: "c", path: "/dev/x", major: 1, minor: 3, fileMode: 0o4755 }, { mode: 0o4755 }],
] as const)("%s", (_, device, made) => {
  expect(operationsOf(planOfDevices([device]), "makeDevice").at(-1)).toMatchObject(made);
});

test("a path that a mount covers is left to the mount", () => {
  const plan = planOfDevices(
    [],
    [
      { destination: "/dev/tty", source: "/dev/tty", options: ["bind"] },
      { destination: "/dev/ptmx", source: "/dev/ptmx", options: ["bind"] },
    ],
  );
  expect(devicePaths(plan)).not.toContain("/dev/tty");
  expect(linkPathsOf(plan)).not.toContain("/dev/ptmx");
});

test("a device of the config in a link's place", () => {
  const plan = planOfDevices([{ type: "c", path: "/dev/ptmx", major: 5, minor: 2 }]);
  expect(linkPathsOf(plan)).toEqual(linkPaths.filter((path) => path !== "/dev/ptmx"));
});

test("nothing is made in a /dev that is the host's", () => {
  const plan = planOfDevices(
    [
      { type: "c", path: "/dev/fuse", major: 10, minor: 229 },
      { type: "c", path: "/opt/null", major: 1, minor: 3 },
    ],
    [{ destination: "/dev", source: "/dev", options: ["rbind"] }],
  );
  expect(devicePaths(plan)).toEqual(["/opt/null"]);
  expect(linkPathsOf(plan)).toEqual([]);
  expect(plan.warnings).toEqual([expect.objectContaining({ pointer: "/linux/devices" })]);
});

describe("refused", () => {
  test.each([
    ["an unknown type", { type: "x" as "c", path: "/dev/x", major: 1, minor: 3 }, "type"],
    ["a relative path", { type: "c", path: "dev/x", major: 1, minor: 3 }, "path"],
    ["no major number", { type: "c", path: "/dev/x", minor: 3 }, "major"],
    ["a negative minor number", { type: "b", path: "/dev/x", major: 8, minor: -1 }, "minor"],
    ["a number beyond 32 bits", { type: "b", path: "/dev/x", major: 2n ** 32n, minor: 0 }, "major"],
  ] as const)("%s", (_, device, field) => {
    expect(() => planOfDevices([device])).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_DEVICE", pointer: `/linux/devices/0/${field}` }),
    );
  });
});

describe("the terminal", () => {
  test("is opened with its size", () => {
    const plan = planOf({ process: { terminal: true, consoleSize: { height: 24, width: 80n } } });
    expect(operationsOf(plan, "openConsole")).toEqual([
      { op: "openConsole", height: 24, width: 80, bind: true, from: "/process/terminal" },
    ]);
  });

  test("is not bound over /dev/console without a mount namespace", () => {
    expect(operationsOf(planOf({ process: { terminal: true }, linux: {} }), "openConsole")[0]?.bind).toBe(false);
  });

  test("its size means nothing without it", () => {
    const plan = planOf({ process: { consoleSize: { height: 24, width: 1e9 } } });
    expect(operationsOf(plan, "openConsole")).toEqual([]);
  });

  test("a size that no terminal has", () => {
    expect(() => planOf({ process: { terminal: true, consoleSize: { height: 24, width: 65536 } } })).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_PROCESS", pointer: "/process/consoleSize/width" }),
    );
  });
});
