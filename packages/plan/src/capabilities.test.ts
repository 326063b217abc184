import type { LinuxCapabilities } from "@runlet/spec";
import { expect, test } from "vitest";
import { operationsOf, planOf } from "../test/inputs.ts";
import type { HostFacts } from "./host-facts.ts";

function planWith(capabilities: LinuxCapabilities, host: Partial<HostFacts> = {}) {
  return planOf({ process: { capabilities } }, { host });
}

test("the five sets are exactly the config's, in the kernel's order", () => {
  const plan = planWith({
    bounding: ["CAP_KILL", "CAP_CHOWN", "CAP_KILL"],
    effective: ["CAP_CHOWN"],
    permitted: ["CAP_KILL", "CAP_CHOWN"],
    inheritable: ["CAP_KILL"],
    ambient: ["CAP_KILL"],
  });
  expect(operationsOf(plan, "dropBoundingCapabilities")).toEqual([
    { op: "dropBoundingCapabilities", keep: ["CAP_CHOWN", "CAP_KILL"], from: "/process/capabilities" },
  ]);
  expect(operationsOf(plan, "setCapabilities")).toEqual([
    {
      op: "setCapabilities",
      effective: ["CAP_CHOWN"],
      permitted: ["CAP_CHOWN", "CAP_KILL"],
      inheritable: ["CAP_KILL"],
      ambient: ["CAP_KILL"],
      from: "/process/capabilities",
    },
  ]);
  expect(plan.warnings).toEqual([]);
});

test("without capabilities in the config there are none", () => {
  const plan = planOf();
  expect(operationsOf(plan, "dropBoundingCapabilities")[0]?.keep).toEqual([]);
  expect(operationsOf(plan, "setCapabilities")[0]).toMatchObject({
    effective: [],
    permitted: [],
    inheritable: [],
    ambient: [],
    from: "spec:config.md#linux-process",
  });
});

test("CVE-2022-29162: nothing is inheritable unless the config says so", () => {
  const plan = planWith({ bounding: ["CAP_CHOWN"], permitted: ["CAP_CHOWN"], effective: ["CAP_CHOWN"] });
  expect(operationsOf(plan, "setCapabilities")[0]?.inheritable).toEqual([]);
});

test("an unknown name is a warning", () => {
  const plan = planWith({ bounding: ["CAP_FLY", "CAP_KILL", "kill"] });
  expect(operationsOf(plan, "dropBoundingCapabilities")[0]?.keep).toEqual(["CAP_KILL"]);
  expect(plan.warnings).toEqual([
    { pointer: "/process/capabilities/bounding", message: expect.stringContaining('"CAP_FLY", "kill"') },
  ]);
});

test("so is one that this kernel does not have", () => {
  const plan = planWith({ permitted: ["CAP_BPF", "CAP_KILL"] }, { lastCapability: 38 });
  expect(operationsOf(plan, "setCapabilities")[0]?.permitted).toEqual(["CAP_KILL"]);
  expect(plan.warnings?.[0]?.message).toContain("CAP_BPF");
});

test("the kernel keeps ambient within permitted and inheritable", () => {
  const plan = planWith({
    permitted: ["CAP_KILL", "CAP_CHOWN"],
    inheritable: ["CAP_KILL"],
    ambient: ["CAP_CHOWN", "CAP_KILL"],
  });
  expect(operationsOf(plan, "setCapabilities")[0]?.ambient).toEqual(["CAP_KILL"]);
  expect(plan.warnings).toEqual([
    { pointer: "/process/capabilities/ambient", message: expect.stringContaining("CAP_CHOWN left out") },
  ]);
});
