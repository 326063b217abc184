import type { RootfsPropagation } from "@runlet/spec";
import { expect, test } from "vitest";
import { namesOf, namespaces, operationsOf, planOf } from "../test/inputs.ts";

function planWith(rootfsPropagation: RootfsPropagation, noPivot = false) {
  return planOf({ linux: { namespaces: namespaces("mount"), rootfsPropagation } }, { options: { noPivot } });
}

test("nothing that the container mounts reaches the host", () => {
  const plan = planOf();
  expect(operationsOf(plan, "setRootPropagation")).toEqual([
    {
      op: "setRootPropagation",
      propagation: ["MS_SLAVE", "MS_REC"],
      privateParentOf: "/bundle/rootfs",
      from: "spec:config-linux.md#rootfs-mount-propagation",
    },
  ]);
  expect(operationsOf(plan, "setPropagation")).toEqual([]);
});

test.each([
  ["shared", ["MS_SHARED"], ["MS_SHARED"]],
  ["rshared", ["MS_SHARED", "MS_REC"], ["MS_SHARED", "MS_REC"]],
  ["slave", ["MS_SLAVE", "MS_REC"], ["MS_SLAVE"]],
  ["rslave", ["MS_SLAVE", "MS_REC"], ["MS_SLAVE", "MS_REC"]],
  ["private", ["MS_SLAVE", "MS_REC"], ["MS_PRIVATE"]],
  ["rprivate", ["MS_PRIVATE", "MS_REC"], ["MS_PRIVATE"]],
  ["unbindable", ["MS_SLAVE", "MS_REC"], ["MS_UNBINDABLE"]],
  ["runbindable", ["MS_SLAVE", "MS_REC"], ["MS_UNBINDABLE", "MS_REC"]],
] as const)("%s: the inherited tree, then the root", (form, inherited, own) => {
  const plan = planWith(form);
  expect(operationsOf(plan, "setRootPropagation")[0]).toMatchObject({
    propagation: inherited,
    from: "/linux/rootfsPropagation",
  });
  expect(operationsOf(plan, "setPropagation")).toEqual([
    { op: "setPropagation", propagation: own, from: "/linux/rootfsPropagation" },
  ]);
  expect(namesOf(plan, "afterPivot")[0]).toBe("setPropagation");
});

test("private is not safe where the root is moved", () => {
  for (const form of ["private", "rprivate"] as const) {
    expect(() => planWith(form, true)).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_MOUNT", pointer: "/linux/rootfsPropagation" }),
    );
  }
  expect(operationsOf(planWith("rslave", true), "enterRoot")[0]?.method).toBe("move");
});

test("an unknown form", () => {
  expect(() => planWith("ro" as "shared")).toThrow(
    expect.objectContaining({ code: "ERR_RUNLET_MOUNT", pointer: "/linux/rootfsPropagation" }),
  );
});
