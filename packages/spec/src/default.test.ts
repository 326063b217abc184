import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { defaultSpec, ociVersion, rootlessSpec } from "./default.ts";
import type { Spec } from "./spec.ts";

const runcPath = ["/usr/sbin/runc", "/usr/bin/runc", "/usr/local/sbin/runc"].find((path) => existsSync(path));

/** What `runc spec` writes. */
function runcSpec(...options: string[]): Spec {
  const bundlePath = mkdtempSync(join(tmpdir(), "runlet-spec-"));
  try {
    execFileSync(runcPath ?? "runc", ["spec", ...options], { cwd: bundlePath });
    return JSON.parse(readFileSync(join(bundlePath, "config.json"), "utf8")) as Spec;
  } finally {
    rmSync(bundlePath, { recursive: true });
  }
}

/**
 * Brings what a runc of any version 1.x writes to what the newest does, and takes our hostname and version. Runc before
 * 1.2 lists ambient capabilities that the kernel cannot grant; the newest masks the TPM.
 */
function asNewestRunc(spec: Spec): Spec {
  delete spec.process?.capabilities?.ambient;
  const maskedPaths = new Set([...(spec.linux?.maskedPaths ?? []), "/sys/devices/virtual/tpm"]);
  return {
    ...spec,
    ociVersion,
    hostname: "runlet",
    linux: { ...spec.linux, maskedPaths: [...maskedPaths] },
  };
}

describe("against runc", () => {
  beforeEach(({ task, skip }) => {
    if (runcPath !== undefined) return;
    task.meta.skipReason = "needs runc";
    skip();
  });

  it("is what runc spec writes, but for the host name", () => {
    const theirs = runcSpec();
    expect(theirs.hostname).toBe("runc");
    const cgroupNamespace = theirs.linux?.namespaces?.some(({ type }) => type === "cgroup") === true;
    expect(defaultSpec({ cgroupNamespace })).toEqual(asNewestRunc(theirs));
  });

  it("is what runc spec --rootless writes for the caller's ids", () => {
    const theirs = runcSpec("--rootless");
    const cgroupNamespace = theirs.linux?.namespaces?.some(({ type }) => type === "cgroup") === true;
    const ours = rootlessSpec({ uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0, cgroupNamespace });
    expect(ours).toEqual(asNewestRunc(theirs));
  });
});

describe("defaultSpec", () => {
  it("shares nothing between calls", () => {
    const first = defaultSpec();
    first.process?.capabilities?.bounding?.push("CAP_SYS_ADMIN");
    first.mounts?.pop();
    expect(defaultSpec().process?.capabilities?.bounding).not.toContain("CAP_SYS_ADMIN");
    expect(first.process?.capabilities?.effective).not.toContain("CAP_SYS_ADMIN");
    expect(defaultSpec().mounts).toHaveLength(7);
  });

  it("takes a host name and a cgroup namespace", () => {
    const spec = defaultSpec({ hostname: "HAL-9000", cgroupNamespace: true });
    expect(spec.hostname).toBe("HAL-9000");
    expect(spec.linux?.namespaces?.at(-1)).toEqual({ type: "cgroup" });
  });
});

describe("rootlessSpec", () => {
  it("maps the caller to root and leaves the network and the resources to the host", () => {
    const spec = rootlessSpec({ uid: 1000, gid: 100 });
    expect(spec.linux?.uidMappings).toEqual([{ containerID: 0, hostID: 1000, size: 1 }]);
    expect(spec.linux?.gidMappings).toEqual([{ containerID: 0, hostID: 100, size: 1 }]);
    expect(spec.linux?.namespaces?.map(({ type }) => type)).toEqual(["pid", "ipc", "uts", "mount", "user"]);
    expect(spec.linux?.resources).toBeUndefined();
    expect(spec.mounts?.flatMap(({ options = [] }) => options)).not.toContain("gid=5");
  });
});
