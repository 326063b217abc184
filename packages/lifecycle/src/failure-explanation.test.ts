import { describe, expect, it } from "vitest";
import { failureOf, type RecordedOperation } from "./failure.ts";
import type { Report } from "./message.ts";

const ENOENT = 2;
const EACCES = 13;
const EEXIST = 17;
const ENODEV = 19;
const EINVAL = 22;
const EPERM = 1;
const ERANGE = 34;

function failure(recorded: RecordedOperation, report: Partial<Report>) {
  return failureOf(recorded, {
    kind: "failed",
    index: 0,
    errno: EPERM,
    value: 0,
    call: "",
    text: "",
    fds: [],
    ...report,
  });
}

describe("a failure of the helper", () => {
  it("blames the root's path when its directories are closed to the container's root", () => {
    const recorded = { op: "setRootPropagation", from: "spec:x", subject: "/home/me/box/rootfs" } as const;
    const error = failure(recorded, { call: "mount", errno: EACCES, text: "/home/me/box/rootfs" });
    expect(error).toMatchObject({ code: "ERR_RUNLET_ROOTFS", pointer: "/root/path", errno: "EACCES" });
    expect(error.hint).toContain("chmod o+x");
  });

  it("does not blame the root's path when the propagation itself is refused", () => {
    const recorded = { op: "setRootPropagation", from: "/linux/rootfsPropagation", subject: "/home/me" } as const;
    const error = failure(recorded, { call: "mount", errno: EINVAL, text: "/x" });
    expect(error).toMatchObject({ pointer: "/linux/rootfsPropagation" });
  });

  it("says which clock's offset is out of range", () => {
    const recorded = { op: "setTimeOffset", from: "/linux/timeOffsets/boottime", subject: "boottime" } as const;
    const error = failure(recorded, { call: "write", errno: ERANGE });
    expect(error).toMatchObject({ code: "ERR_RUNLET_NAMESPACE", pointer: "/linux/timeOffsets/boottime" });
    expect(error.message).toContain("boottime");
    expect(error.hint).toContain("/proc/uptime");
  });

  it("says of a user namespace without a root what it lacks", () => {
    const recorded = { op: "becomeRoot", from: "/linux/namespaces/0", subject: "" } as const;
    const error = failure(recorded, { call: "setresgid", errno: EINVAL });
    expect(error).toMatchObject({ code: "ERR_RUNLET_ID_MAPPING", pointer: "/linux/namespaces/0" });
    expect(error.hint).toContain("must map the ids 0");
  });

  it.each([
    ["statx", ENODEV, "c 1:3", "the host's /dev/x is bound, which is c 1:3"],
    ["open_tree", ENOENT, "/dev/x", "and there is none"],
    ["mknodat", EEXIST, "/dev/x", "holds something else of this name"],
  ])("explains %s of a device with error %i", (call, errno, text, words) => {
    const recorded = { op: "makeDevice", from: "/linux/devices/3", subject: "/dev/x" } as const;
    const error = failure(recorded, { call, errno, text });
    expect(error).toMatchObject({ code: "ERR_RUNLET_DEVICE", pointer: "/linux/devices/3" });
    expect(error.explanation).toContain(words);
  });

  it.each([
    ["openat2", EACCES, "is missing"],
    ["mount_setattr", EPERM, "may not take off"],
    ["mount_setattr", EINVAL, "does not take these attributes"],
  ])("explains %s of a mount with error %i", (call, errno, words) => {
    const recorded = { op: "mount", from: "/mounts/3", subject: "/data" } as const;
    const error = failure(recorded, { call, errno });
    expect(error).toMatchObject({ code: "ERR_RUNLET_MOUNT", pointer: "/mounts/3" });
    expect(error.explanation).toContain(words);
  });
});
