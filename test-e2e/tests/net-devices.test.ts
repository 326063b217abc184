import { execFileSync } from "node:child_process";
import { afterEach, describe, expect } from "vitest";
import { openSuite } from "../harness/suite.ts";

// The releases of the peers that distributions have know no network devices: runc has them since 1.4, crun since 1.22.
const e2e = openSuite({ root: true, runtime: ["runlet"], program: "ip" });
const { test } = e2e;

function ip(...args: readonly string[]): string {
  return execFileSync("ip", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

interface Link {
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly address: string;
  readonly addr_info?: readonly { readonly local: string; readonly prefixlen: number; readonly label?: string }[];
}

function hostLink(name: string): Link | undefined {
  return (JSON.parse(ip("-json", "address", "show")) as Link[]).find(({ ifname }) => ifname === name);
}

function addressesOf(link: Link | undefined): string[] {
  return (link?.addr_info ?? []).map(({ local, prefixlen }) => `${local}/${prefixlen}`);
}

const made: string[] = [];
let counter = 0;

/** A device on the host, one end of a pair; its other end stays the host's. */
function makeLink(): { name: string; peer: string } {
  const number = `${process.pid}${counter++}`;
  const name = `rt${number}`;
  const peer = `rp${number}`;
  ip("link", "add", name, "address", "02:00:00:00:12:34", "mtu", "1400", "type", "veth", "peer", "name", peer);
  made.push(peer);
  return { name, peer };
}

afterEach(() => {
  for (const name of made.splice(0)) deleteLink(name);
});

/** The kernel deletes a device soon after its namespace or its other end has gone: it may be faster than we are. */
function deleteLink(name: string): void {
  try {
    ip("link", "delete", name);
  } catch (error) {
    if (hostLink(name) !== undefined) throw error;
  }
}

describe("[/linux/netDevices]", () => {
  test("[/linux/netDevices] moves a device in with its hardware address and MTU, and brings it up", async () => {
    const { name } = makeLink();
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.linux.netDevices = { [name]: {} };
      }),
      "interfaces",
      `read=/sys/class/net/${name}/address`,
      `read=/sys/class/net/${name}/mtu`,
    );
    expect(seen.of("interfaces")).toEqual({ lo: true, [name]: true });
    expect(seen.of(`read=/sys/class/net/${name}/address`)).toBe("02:00:00:00:12:34\n");
    expect(seen.of(`read=/sys/class/net/${name}/mtu`)).toBe("1400\n");
    expect(hostLink(name)).toBeUndefined();
  });

  test("[/linux/netDevices/*/name] renames it, and its addresses with global scope go along", async () => {
    const { name } = makeLink();
    ip("address", "add", "192.0.2.7/24", "brd", "192.0.2.255", "dev", name);
    ip("address", "add", "192.0.2.8/24", "dev", name, "label", `${name}:1`);
    ip("-6", "address", "add", "2001:db8::7/64", "dev", name, "nodad");
    ip("address", "add", "169.254.3.4/16", "scope", "link", "dev", name);
    ip("address", "add", "198.51.100.1/24", "dev", name, "valid_lft", "600", "preferred_lft", "600");
    ip("link", "set", name, "up");
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.linux.netDevices = { [name]: { name: "net0" } };
      }),
      "interfaces",
      "addresses",
      "read=/proc/net/fib_trie",
    );
    expect(seen.of("interfaces")).toEqual({ lo: true, net0: true });
    const addresses = seen.of<string[]>("addresses").filter((text) => !text.startsWith("lo "));
    // A link-local IPv6 address is the kernel's own, for a device that is up.
    expect(addresses.filter((text) => !text.includes(" fe80:")).sort()).toEqual([
      "net0 192.0.2.7",
      "net0 2001:db8::7",
      "net0:1 192.0.2.8",
    ]);
    // A route over the prefix has come with the address.
    expect(seen.of("read=/proc/net/fib_trie")).toContain("192.0.2.0/24");
  });

  test("[/linux/netDevices/*/name] a template gets a free number", async () => {
    const first = makeLink();
    const second = makeLink();
    const seen = await e2e.observe(
      e2e.bundle((config) => {
        config.linux.netDevices = { [first.name]: { name: "eth%d" }, [second.name]: { name: "eth%d" } };
      }),
      "interfaces",
    );
    expect(seen.of("interfaces")).toEqual({ lo: true, eth0: true, eth1: true });
  });

  test("[/linux/netDevices] into a namespace that is joined, where its name and index may be taken", async () => {
    const { name } = makeLink();
    const other = makeLink();
    const namespace = `${e2e.tag}-net`;
    ip("netns", "add", namespace);
    try {
      ip("link", "set", other.name, "netns", namespace, "name", name);
      const seen = await e2e.observe(
        e2e.bundle((config) => {
          config.linux.namespaces = (config.linux.namespaces ?? []).map((entry) =>
            entry.type === "network" ? { type: "network", path: `/run/netns/${namespace}` } : entry,
          );
          config.linux.netDevices = { [name]: { name: "second" } };
        }),
        "interfaces",
      );
      expect(seen.of("interfaces")).toMatchObject({ second: true, [name]: false });
      // The namespace outlives the container, and what lies in it is not the runtime's to take out again.
      expect(ip("-n", namespace, "link", "show", "second")).toContain("second");
    } finally {
      ip("netns", "delete", namespace);
    }
  });

  test("[/linux/netDevices] are given back, as they were, when the container does not come to be", async () => {
    const { name, peer } = makeLink();
    ip("address", "add", "192.0.2.7/24", "dev", name);
    ip("link", "set", name, "up");
    ip("link", "set", peer, "up");
    const before = hostLink(name);
    const bundle = e2e
      .bundle((config) => {
        config.linux.netDevices = { [name]: { name: "net0" } };
        config.process.args = ["/missing"];
      })
      .write();
    const result = await e2e.run(bundle);
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain("/missing");
    const after = hostLink(name);
    expect(after?.flags).toContain("UP");
    expect(addressesOf(after).filter((text) => !text.startsWith("fe80:"))).toEqual(
      addressesOf(before).filter((text) => !text.startsWith("fe80:")),
    );
    expect(after).toMatchObject({ mtu: before?.mtu, address: before?.address });
  });

  test("[/linux/netDevices] are given back when the pid file cannot be written", async () => {
    const { name } = makeLink();
    const bundle = e2e.bundle((config) => {
      config.linux.netDevices = { [name]: {} };
    });
    const result = await e2e.run(bundle, "--pid-file", "/nonexistent/pid");
    expect(result.status).not.toBe(0);
    expect(hostLink(name)).toBeDefined();
  });
});

describe("a device that cannot be moved is refused, and says why", () => {
  test("none of that name", async () => {
    const bundle = e2e.bundle((config) => {
      config.linux.netDevices = { missing0: {} };
    });
    const result = await e2e.run(bundle);
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain("/linux/netDevices/missing0");
    expect(result.stderr).toMatch(/the host has no network device .*missing0/);
  });

  test("a name that the container has already", async () => {
    const first = makeLink();
    const second = makeLink();
    const result = await e2e.run(
      e2e.bundle((config) => {
        config.linux.netDevices = { [first.name]: { name: "net0" }, [second.name]: { name: "net0" } };
      }),
    );
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain("net0");
    expect(hostLink(first.name)).toBeDefined();
    expect(hostLink(second.name)).toBeDefined();
  });

  test("a name that the container's lo has", async () => {
    const { name } = makeLink();
    const result = await e2e.run(
      e2e.bundle((config) => {
        config.linux.netDevices = { [name]: { name: "lo" } };
      }),
    );
    expect(result.status).not.toBe(0);
    expect(result.stderr).toMatch(/the container has a network device .*lo.* already/);
    expect(hostLink(name)).toBeDefined();
  });

  test("one that is bound to its namespace", async () => {
    const result = await e2e.run(
      e2e.bundle((config) => {
        config.linux.netDevices = { lo: { name: "outer" } };
      }),
    );
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain("cannot leave its network namespace");
  });

  test("without a network namespace of the container's own", async () => {
    const { name } = makeLink();
    const result = await e2e.run(
      e2e.bundle((config) => {
        config.linux.namespaces = config.linux.namespaces?.filter(({ type }) => type !== "network") ?? [];
        config.mounts = config.mounts.filter(({ destination }) => destination !== "/sys");
        config.linux.netDevices = { [name]: {} };
      }),
    );
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain("/linux/netDevices");
    expect(hostLink(name)).toBeDefined();
  });
});
