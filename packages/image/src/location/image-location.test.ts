import { describe, expect, test } from "vitest";
import { formatReference } from "../reference.ts";
import { defaultImageName, parseImageLocation } from "./image-location.ts";

describe("parseImageLocation", () => {
  test.each([
    ["alpine", "docker.io/library/alpine:latest"],
    ["docker://alpine:3.20", "docker.io/library/alpine:3.20"],
    ["localhost:5000/a/b:1", "localhost:5000/a/b:1"],
    ["ghcr.io/a/b", "ghcr.io/a/b:latest"],
  ])("%j is in a registry", (text, name) => {
    const location = parseImageLocation(text);
    expect(location.transport === "docker" && formatReference(location.reference)).toBe(name);
  });

  test.each([
    ["oci:/a/b", { transport: "oci", hostPath: "/a/b", name: undefined }],
    ["oci:b:1.0", { transport: "oci", hostPath: "b", name: "1.0" }],
    ["oci-archive:b.tar:docker.io/x:1", { transport: "oci-archive", hostPath: "b.tar", name: "docker.io/x:1" }],
    ["docker-archive:/b.tar", { transport: "docker-archive", hostPath: "/b.tar", name: undefined }],
  ])("%j is a file", (text, location) => {
    expect(parseImageLocation(text)).toEqual(location);
  });

  test.each(["oci:", "oci::x", "oci:a:", "docker-daemon:x:1", "dir:/x", "/a/b", "./a", "../a"])(
    "%j is refused with a hint",
    (text) => {
      expect(() => parseImageLocation(text)).toThrow(
        expect.objectContaining({ code: "ERR_RUNLET_USAGE", hint: expect.stringContaining("oci") }),
      );
    },
  );

  test("what is no name is refused", () => {
    expect(() => parseImageLocation("docker://A")).toThrow(expect.objectContaining({ code: "ERR_RUNLET_IMAGE" }));
  });
});

describe("defaultImageName", () => {
  test.each([
    ["alpine:3", undefined, "docker.io/library/alpine:3"],
    ["oci:/tmp/My Image/:v1", undefined, "localhost/my-image:v1"],
    ["oci-archive:web.tar", undefined, "localhost/web:latest"],
    ["oci-archive:web.oci.tar.gz", "2.0", "localhost/web:2.0"],
    ["docker-archive:x.tar", "alpine:3", "docker.io/library/alpine:3"],
    ["docker-archive:x.tar:ghcr.io/a/b:1", "alpine:3", "ghcr.io/a/b:1"],
    ["oci:///", undefined, undefined],
    ["oci:x:a b", undefined, undefined],
  ])("of %j with %j is %j", (text, name, expected) => {
    expect(defaultImageName(parseImageLocation(text), name)).toBe(expected);
  });
});
