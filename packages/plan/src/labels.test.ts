import { expect, test } from "vitest";
import { namesOf, namespaces, operationsOf, planOf } from "../test/inputs.ts";

const selinuxLabel = "system_u:system_r:container_t:s0:c1,c2";

test("SELinux: the process's label, and the keyring's before it is made", () => {
  const plan = planOf({ process: { selinuxLabel } }, { host: { securityModules: ["selinux"] } });
  expect(operationsOf(plan, "setLabel")).toEqual([
    { op: "setLabel", attribute: "keycreate", value: selinuxLabel, from: "/process/selinuxLabel" },
    { op: "setLabel", attribute: "exec", value: selinuxLabel, from: "/process/selinuxLabel" },
  ]);
  const names = namesOf(plan, "inNamespaces");
  expect(names.indexOf("setLabel")).toBe(names.indexOf("joinSessionKeyring") - 1);
});

test("no keyring, no label for it", () => {
  const host = { securityModules: ["selinux"] };
  const plan = planOf({ process: { selinuxLabel } }, { host, options: { noNewKeyring: true } });
  expect(operationsOf(plan, "joinSessionKeyring")).toEqual([]);
  expect(operationsOf(plan, "setLabel").map(({ attribute }) => attribute)).toEqual(["exec"]);
});

test("the keyring has the container's id, and can be found by it", () => {
  expect(operationsOf(planOf(), "joinSessionKeyring")).toEqual([
    { op: "joinSessionKeyring", name: "_ses.box", grantSearch: true, from: "spec:runtime.md#lifecycle" },
  ]);
});

test.each([
  [{ major: 5, minor: 8 }, "apparmor/exec"],
  [{ major: 5, minor: 7 }, "exec"],
])("AppArmor on Linux %j", (kernel, attribute) => {
  const plan = planOf({ process: { apparmorProfile: "box" } }, { host: { kernel, securityModules: ["apparmor"] } });
  expect(operationsOf(plan, "setLabel")).toEqual([
    { op: "setLabel", attribute, value: "exec box", from: "/process/apparmorProfile" },
  ]);
});

test("a label is set before no_new_privs, which would keep it from holding", () => {
  const process = { apparmorProfile: "box", noNewPrivileges: true };
  const names = namesOf(planOf({ process }, { host: { securityModules: ["apparmor"] } }), "afterPivot");
  expect(names.indexOf("setLabel")).toBeLessThan(names.indexOf("setNoNewPrivileges"));
});

test.each([
  ["/process/selinuxLabel", { process: { selinuxLabel } }],
  ["/process/apparmorProfile", { process: { apparmorProfile: "box" } }],
  ["/linux/mountLabel", { linux: { namespaces: namespaces("mount"), mountLabel: "l" } }],
])("%s without its security module is refused", (pointer, changes) => {
  expect(() => planOf(changes)).toThrow(expect.objectContaining({ code: "ERR_RUNLET_HOST", pointer }));
});

test("an empty label is none", () => {
  expect(operationsOf(planOf({ process: { selinuxLabel: "", apparmorProfile: "" } }), "setLabel")).toEqual([]);
});
