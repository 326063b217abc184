import { afterEach, expect, it, vi } from "vitest";
import { temporaryDirectory } from "../../test/directory.ts";
import { rejectionOf } from "../../test/errors.ts";
import type { CgroupLayout } from "../layout.ts";
import { cgroupManager } from "../manager.ts";

const layout: CgroupLayout = {
  kind: "v2",
  hierarchies: [],
  unified: { mountPoint: "/sys/fs/cgroup", ownPath: "/sys/fs/cgroup/user.slice", controllers: [] },
  hasBfq: false,
};

function userGroup() {
  return cgroupManager({ layout, driver: "systemd", rootless: true }).cgroup({ id: "web" });
}

afterEach(() => {
  vi.unstubAllEnvs();
});

it.each([undefined, "", "/nonexistent"])("says that there is no systemd of the user in %j", async (runtimeDir) => {
  vi.stubEnv("XDG_RUNTIME_DIR", runtimeDir);
  const error = await rejectionOf(userGroup().create({ pid: process.pid }));
  expect(error).toMatchObject({ code: "ERR_RUNLET_SYSTEMD" });
  expect(error.message).toContain("systemd is not there");
  expect(error.hint).toContain("--cgroup-manager=cgroupfs");
});

it("says that nobody answers where the bus should be", async () => {
  using directory = temporaryDirectory({ bus: "a plain file" });
  vi.stubEnv("XDG_RUNTIME_DIR", directory.hostPath);
  const error = await rejectionOf(userGroup().create({ pid: process.pid }));
  expect(error).toMatchObject({ code: "ERR_RUNLET_SYSTEMD" });
  expect(error.message).toContain("cannot speak to");
  expect(error.cause).toBeInstanceOf(Error);
});

it("refuses cgroup v1 for a user's systemd", () => {
  const v1: CgroupLayout = {
    kind: "v1",
    hierarchies: [{ controllers: ["memory"], mountPoint: "/m", ownPath: "/m" }],
    unified: null,
    hasBfq: false,
  };
  const manager = cgroupManager({ layout: v1, driver: "systemd", rootless: true });
  expect(() => manager.cgroup({ id: "web" })).toThrow("on cgroup v2 only");
});
