import type { Mount as MountConfig } from "@runlet/spec";
import { describe, expect, test } from "vitest";
import { allOperations, operationsOf, planOf } from "../test/inputs.ts";
import { encode } from "./encode.ts";
import type { HostFacts } from "./host-facts.ts";

const overlay: MountConfig = {
  destination: "/",
  type: "overlay",
  source: "overlay",
  options: ["lowerdir=/l/b:/l/a", "upperdir=/u", "workdir=/w", "userxattr"],
};
const oldKernel: Partial<HostFacts> = { kernel: { major: 6, minor: 6 } };

function optionsOf(mount: MountConfig, host: Partial<HostFacts> = {}): string[] {
  const source = operationsOf(planOf({ mounts: [mount] }, { host }), "mount")[0]?.source;
  if (source?.kind !== "filesystem") throw new Error("no file system");
  return source.options.map(({ key, value }) => (value === null ? key : `${key}=${value}`));
}

describe("a file system at /", () => {
  test("is mounted over the root before everything else", () => {
    const plan = planOf({ mounts: [overlay, { destination: "/proc", type: "proc" }] });
    const names = allOperations(plan).map(({ op }) => op);
    expect(operationsOf(plan, "mount").map(({ containerPath }) => containerPath)).toEqual(["/", "/proc"]);
    expect(names.indexOf("mount")).toBe(names.indexOf("bindRoot") + 1);
  });

  test("that is read-only is written to first: mount points are made in it", () => {
    const mount = { ...overlay, options: [...(overlay.options ?? []), "ro"] };
    const plan = planOf({ mounts: [mount, { destination: "/proc", type: "proc" }] });
    expect(operationsOf(plan, "mount")[0]?.attributes.set).toEqual([]);
    const sealing = operationsOf(plan, "remount");
    expect(sealing).toMatchObject([{ containerPath: "/", attributes: { set: ["MOUNT_ATTR_RDONLY"] } }]);
  });

  test.each<[string, MountConfig[]]>([
    ["a bind", [{ destination: "/", source: "/srv", options: ["bind"] }]],
    ["a remount", [{ destination: "/", options: ["remount", "ro"] }]],
    ["not the first", [{ destination: "/proc", type: "proc" }, overlay]],
  ])("cannot be %s", (_name, mounts) => {
    const pointer = `/mounts/${mounts.length - 1}/destination`;
    expect(() => planOf({ mounts })).toThrow(expect.objectContaining({ code: "ERR_RUNLET_MOUNT", pointer }));
  });

  test("needs a mount namespace of the container's own: one that is joined would keep it", () => {
    const linux = { namespaces: [{ type: "mount" as const, path: "/run/mnt" }] };
    expect(() => planOf({ mounts: [overlay], linux })).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_MOUNT", pointer: "/mounts/0/destination" }),
    );
  });
});

describe("layers of an overlay", () => {
  test("are options of their own, wherever it is mounted", () => {
    const others = ["upperdir=/u", "workdir=/w", "userxattr"];
    expect(optionsOf(overlay)).toEqual(["lowerdir+=/l/b", "lowerdir+=/l/a", ...others]);
    expect(optionsOf({ ...overlay, destination: "/data" })).toEqual(["lowerdir+=/l/b", "lowerdir+=/l/a", ...others]);
  });

  test("are one list for a kernel before 6.7", () => {
    expect(optionsOf(overlay, oldKernel)[0]).toBe("lowerdir=/l/b:/l/a");
  });

  test("are descriptors for such a kernel where the list is longer than an option can be", () => {
    const layers = Array.from({ length: 3 }, (_, index) => `/layers/${"x".repeat(100)}/${index}`);
    const mount = { ...overlay, options: [`lowerdir=${layers.join(":")}`, "upperdir=/u"] };
    const plan = planOf({ mounts: [mount] }, { host: oldKernel });
    expect(operationsOf(plan, "mount")[0]?.source).toMatchObject({
      options: [{ key: "upperdir", value: "/u" }],
      layerHostPaths: layers,
    });
    expect(Buffer.from(encode(plan, { firstSlotFd: 10 })).includes(`${layers[2]}\0`)).toBe(true);
  });

  test("are refused there where even their numbers are too many", () => {
    const layers = Array.from({ length: 70 }, (_, index) => `/layers/${index}`);
    const mount = { ...overlay, options: [`lowerdir=${layers.join(":")}`] };
    expect(() => planOf({ mounts: [mount] }, { host: oldKernel })).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_MOUNT", pointer: "/mounts/0/options" }),
    );
    expect(optionsOf(mount)).toHaveLength(70);
  });

  test("keep colons and backslashes that the list has escaped", () => {
    const options = [String.raw`lowerdir=/l/a\:1:/l/b\\2`];
    expect(optionsOf({ ...overlay, options })).toEqual(["lowerdir+=/l/a:1", String.raw`lowerdir+=/l/b\2`]);
  });

  test("stay a list where some hold nothing but data", () => {
    expect(optionsOf({ ...overlay, options: ["lowerdir=/l/a::/l/d"] })).toEqual(["lowerdir=/l/a::/l/d"]);
  });

  test("are no matter of other file systems", () => {
    expect(optionsOf({ destination: "/x", type: "zfs", options: ["lowerdir=/a:/b"] })).toEqual(["lowerdir=/a:/b"]);
  });
});
