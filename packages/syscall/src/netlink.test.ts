import { readlinkSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { decodeAttributes, encodeAttributes, NetlinkSocket, NLM_F_DUMP } from "./netlink.ts";

const RTM_GETLINK = 18;
const structureBytes = 16;
const IFLA_IFNAME = 3;

function nameOf(payload: Uint8Array): string {
  const name = decodeAttributes(payload, structureBytes).get(IFLA_IFNAME) ?? new Uint8Array();
  return new TextDecoder().decode(name.subarray(0, -1));
}

describe("attributes", () => {
  test("come back as they were, whatever their lengths", () => {
    const attributes = [0, 1, 2, 3, 4, 5].map((length) => ({
      type: length + 1,
      value: new Uint8Array(length).fill(7),
    }));
    const payload = encodeAttributes(Uint8Array.of(1, 2, 3, 4), attributes);
    expect([...payload.subarray(0, 4)]).toEqual([1, 2, 3, 4]);
    expect(payload.length % 4).toBe(0);
    expect([...decodeAttributes(payload, 4)]).toEqual(attributes.map(({ type, value }) => [type, value]));
  });

  test("that are cut off are left out", () => {
    const payload = encodeAttributes(new Uint8Array(), [
      { type: 1, value: Uint8Array.of(1) },
      { type: 2, value: Uint8Array.of(1, 2, 3, 4) },
    ]);
    expect([...decodeAttributes(payload.subarray(0, -1), 0).keys()]).toEqual([1]);
  });
});

describe("a socket", () => {
  test("lists what the kernel has", () => {
    using socket = new NetlinkSocket();
    const links = socket.request({ type: RTM_GETLINK, flags: NLM_F_DUMP, payload: new Uint8Array(structureBytes) });
    expect(links.map(({ payload }) => nameOf(payload))).toContain("lo");
  });

  test("can be asked again after a refusal", () => {
    using socket = new NetlinkSocket();
    const value = new TextEncoder().encode("missing0\0");
    const ask = () => encodeAttributes(new Uint8Array(structureBytes), [{ type: IFLA_IFNAME, value }]);
    for (let i = 0; i < 2; i++) {
      expect(() => socket.request({ type: RTM_GETLINK, payload: ask() })).toThrow(
        expect.objectContaining({ code: "ENODEV" }),
      );
    }
    expect(
      socket.request({ type: RTM_GETLINK, flags: NLM_F_DUMP, payload: new Uint8Array(structureBytes) }),
    ).not.toEqual([]);
  });

  test("needs a descriptor of a network namespace, and leaves this thread where it is", () => {
    const before = readlinkSync("/proc/thread-self/ns/net");
    expect(() => new NetlinkSocket(0)).toThrow(expect.objectContaining({ syscall: "setns" }));
    expect(readlinkSync("/proc/thread-self/ns/net")).toBe(before);
  });
});
