import { describe, expect, test } from "vitest";
import { namespaces, operationsOf, planOf } from "../test/inputs.ts";
import type { NamespaceType } from "./kernel.ts";
import { sysctlPath } from "./sysctl.ts";

function planWith(sysctl: Record<string, string>, ...types: NamespaceType[]) {
  const mappings = [{ containerID: 0, hostID: 0, size: 10 }];
  const maps = types.includes("user") ? { uidMappings: mappings, gidMappings: mappings } : {};
  return planOf({ linux: { namespaces: namespaces("mount", ...types), sysctl, ...maps } });
}

test.each([
  ["net.ipv4.ip_forward", "net/ipv4/ip_forward"],
  ["net/ipv4/ip_forward", "net/ipv4/ip_forward"],
  ["net.ipv4.conf.eno2/100.rp_filter", "net/ipv4/conf/eno2.100/rp_filter"],
  ["net/ipv4/conf/eno2.100/rp_filter", "net/ipv4/conf/eno2.100/rp_filter"],
])("%s is %s below /proc/sys", (name, path) => {
  expect(sysctlPath(name)).toBe(path);
});

test("in the config's order, with the name as pointer", () => {
  const plan = planWith({ "net/core/somaxconn": "1024", "kernel.shmmax": "5" }, "network", "ipc");
  expect(operationsOf(plan, "setSysctl")).toEqual([
    {
      op: "setSysctl",
      name: "net/core/somaxconn",
      path: "net/core/somaxconn",
      value: "1024",
      from: "/linux/sysctl/net~1core~1somaxconn",
    },
    { op: "setSysctl", name: "kernel.shmmax", path: "kernel/shmmax", value: "5", from: "/linux/sysctl/kernel.shmmax" },
  ]);
});

describe("each belongs to a namespace", () => {
  test.each([
    ["net.ipv4.ip_forward", "network"],
    ["kernel.msgmax", "ipc"],
    ["kernel.sem", "ipc"],
    ["kernel.shm_rmid_forced", "ipc"],
    ["fs.mqueue.msg_max", "ipc"],
    ["kernel.domainname", "uts"],
    ["user.max_user_namespaces", "user"],
  ] as const)("%s to %s", (name, type) => {
    expect(operationsOf(planWith({ [name]: "1" }, type), "setSysctl")).toHaveLength(1);
    expect(() => planWith({ [name]: "1" })).toThrow(
      expect.objectContaining({
        code: "ERR_RUNLET_SYSCTL",
        pointer: `/linux/sysctl/${name}`,
        hint: expect.stringContaining(type),
      }),
    );
  });

  test("one of a joined user namespace is for whoever made that", () => {
    const linux = {
      namespaces: [...namespaces("mount"), { type: "user" as const, path: "/run/user" }],
      sysctl: { "user.max_user_namespaces": "1" },
    };
    expect(() => planOf({ linux })).toThrow(expect.objectContaining({ code: "ERR_RUNLET_SYSCTL" }));
  });
});

test.each(["vm.swappiness", "kernel.panic", "kernel.hostname", "net..ipv4", "net/../kernel/panic", "net/"])(
  "%s is refused whatever the namespaces",
  (name) => {
    expect(() => planWith({ [name]: "1" }, "network", "ipc", "uts", "user")).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_SYSCTL" }),
    );
  },
);
