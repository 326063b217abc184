import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { parseMount, parseUser } from "./bundle-values.ts";

const usage = expect.objectContaining({ code: "ERR_RUNLET_USAGE" });

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
    expect(parseMount("a:/b:ro,nosuid")).toMatchObject({ source: resolve("a"), options: ["rbind", "ro", "nosuid"] });
    expect(parseMount("/a:/b:bind,ro")).toMatchObject({ options: ["bind", "ro"] });
  });

  it.each(["", "/a", ":/b", "/a:b", "/a:/b:ro:x"])("refuses %j", (text) => {
    expect(() => parseMount(text)).toThrow(usage);
  });
});
