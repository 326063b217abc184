import { describe, expect, it } from "vitest";
import { parseBytes, parseMount, parseUser } from "./bundle-values.ts";

const usage = expect.objectContaining({ code: "ERR_RUNLET_USAGE" });

describe("parseBytes", () => {
  it.each([
    ["0", 0],
    ["268435456", 268435456],
    ["256m", 268435456],
    ["256M", 268435456],
    ["1k", 1024],
    ["2gb", 2147483648],
    ["1 GiB", 1073741824],
    ["1t", 1099511627776],
  ])("reads %s as %d", (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  it.each(["", "m", "-1", "1.5g", "1x", "9007199254740993", "9000000t"])("refuses %j", (text) => {
    expect(() => parseBytes(text)).toThrow(usage);
  });
});

describe("parseUser", () => {
  it("reads a user and a group", () => {
    expect(parseUser("1000")).toEqual({ uid: 1000, gid: 0 });
    expect(parseUser("1000:4294967295")).toEqual({ uid: 1000, gid: 4294967295 });
  });

  it.each(["", "root", "1000:", ":5", "1:2:3", "4294967296"])("refuses %j", (text) => {
    expect(() => parseUser(text)).toThrow(usage);
  });
});

describe("parseMount", () => {
  it("binds recursively unless told otherwise", () => {
    expect(parseMount("/srv:/data")).toEqual({
      destination: "/data",
      type: "bind",
      source: "/srv",
      options: ["rbind"],
    });
    expect(parseMount("a:/b:ro,nosuid")).toMatchObject({ source: "a", options: ["rbind", "ro", "nosuid"] });
    expect(parseMount("/a:/b:bind,ro")).toMatchObject({ options: ["bind", "ro"] });
  });

  it.each(["", "/a", ":/b", "/a:b", "/a:/b:ro:x"])("refuses %j", (text) => {
    expect(() => parseMount(text)).toThrow(usage);
  });
});
