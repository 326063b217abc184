import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CgroupLayout } from "@runlet/cgroups";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { delegatedLayout } from "./delegation.ts";

let mine = "";
let missing = "";

beforeAll(() => {
  mine = mkdtempSync(join(tmpdir(), "runlet-delegation-"));
  missing = join(mine, "missing");
  mkdirSync(join(mine, "session"));
});

afterAll(() => {
  rmSync(mine, { recursive: true });
});

function hierarchy(controller: string, ownPath: string) {
  return { controllers: [controller], mountPoint: `/sys/fs/cgroup/${controller}`, ownPath };
}

function unified(ownPath: string) {
  return { mountPoint: "/sys/fs/cgroup/unified", ownPath, controllers: [] };
}

describe("delegatedLayout", () => {
  it("keeps the hierarchies of v1 in which a group can be made", () => {
    const layout: CgroupLayout = {
      kind: "hybrid",
      hierarchies: [hierarchy("memory", mine), hierarchy("devices", missing)],
      unified: unified(missing),
      hasBfq: false,
    };
    expect(delegatedLayout(layout)).toEqual({
      kind: "v1",
      hierarchies: [hierarchy("memory", mine)],
      unified: null,
      hasBfq: false,
    });
  });

  it("is none where nothing is delegated", () => {
    const layout: CgroupLayout = {
      kind: "hybrid",
      hierarchies: [hierarchy("memory", missing)],
      unified: unified(missing),
      hasBfq: false,
    };
    expect(delegatedLayout(layout).kind).toBe("none");
  });

  it("looks beside the caller's own group on v2, since that has processes", () => {
    const layout = (ownPath: string): CgroupLayout => ({
      kind: "v2",
      hierarchies: [],
      unified: unified(ownPath),
      hasBfq: false,
    });
    expect(delegatedLayout(layout(join(mine, "session"))).kind).toBe("v2");
    expect(delegatedLayout(layout(join(missing, "session"))).kind).toBe("none");
  });

  it("looks in the caller's own group on v2 where that is all that can be seen", () => {
    const layout: CgroupLayout = {
      kind: "v2",
      hierarchies: [],
      unified: { mountPoint: mine, ownPath: mine, controllers: [] },
      hasBfq: false,
    };
    expect(delegatedLayout(layout)).toEqual(layout);
  });
});
