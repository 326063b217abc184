import { isRunletError } from "@runlet/errors";
import { describe, expect, test } from "vitest";
import { formatReference, parseNewName, parseReference, shortenReference } from "./reference.ts";

const hex = "0123456789abcdef".repeat(4);
const digest = `sha256:${hex}`;

describe("names that are read", () => {
  test.each([
    ["alpine", "docker.io/library/alpine:latest", "alpine"],
    ["alpine:3.20", "docker.io/library/alpine:3.20", "alpine:3.20"],
    ["library/alpine", "docker.io/library/alpine:latest", "alpine"],
    ["docker.io/alpine", "docker.io/library/alpine:latest", "alpine"],
    ["index.docker.io/library/alpine", "docker.io/library/alpine:latest", "alpine"],
    ["bitnami/redis", "docker.io/bitnami/redis:latest", "bitnami/redis"],
    ["docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b"],
    ["ghcr.io/owner/name:v1.2", "ghcr.io/owner/name:v1.2", "ghcr.io/owner/name:v1.2"],
    ["localhost/web", "localhost/web:latest", "localhost/web"],
    ["localhost:5000/web:1", "localhost:5000/web:1", "localhost:5000/web:1"],
    ["127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c:latest", "127.0.0.1:5000/a/b/c"],
    ["[::1]:5000/web", "[::1]:5000/web:latest", "[::1]:5000/web"],
    ["REGISTRY/web", "REGISTRY/web:latest", "REGISTRY/web"],
    [`alpine@${digest}`, `docker.io/library/alpine@${digest}`, `alpine@${digest}`],
    [`alpine:3.20@${digest}`, `docker.io/library/alpine:3.20@${digest}`, `alpine:3.20@${digest}`],
    [`alpine:latest@${digest}`, `docker.io/library/alpine:latest@${digest}`, `alpine:latest@${digest}`],
    [`a@sha512:${hex}${hex}`, `docker.io/library/a@sha512:${hex}${hex}`, `a@sha512:${hex}${hex}`],
    ["a__b.c-d---e_f", "docker.io/library/a__b.c-d---e_f:latest", "a__b.c-d---e_f"],
    [`name:${"t".repeat(128)}`, `docker.io/library/name:${"t".repeat(128)}`, `name:${"t".repeat(128)}`],
    ["a:_tag", "docker.io/library/a:_tag", "a:_tag"],
  ])("%s", (text, whole, short) => {
    const reference = parseReference(text);
    expect(formatReference(reference)).toBe(whole);
    expect(shortenReference(reference)).toBe(short);
    expect(parseReference(whole)).toEqual(reference);
    expect(parseReference(short)).toEqual(reference);
  });

  test("a digest leaves the tag unset", () => {
    expect(parseReference(`alpine@${digest}`)).toEqual({ registry: "docker.io", repository: "library/alpine", digest });
  });
});

describe("names that are refused", () => {
  test.each([
    ["", "it is empty"],
    ["Alpine", "upper-case"],
    ["ghcr.io/Owner/name", "upper-case"],
    ["alpine:", '"" is no tag'],
    ["alpine:.x", '".x" is no tag'],
    [`alpine:${"t".repeat(129)}`, "is no tag"],
    ["alpine:a:b", "is no part of a repository's name"],
    ["alpine@latest", "is no digest"],
    [`alpine@sha256:${hex.toUpperCase()}`, "is no digest"],
    ["alpine@sha256:00", "is no digest"],
    ["alpine@", "is no digest"],
    ["https://docker.io/alpine", "it begins with a scheme"],
    ["docker://alpine", "it begins with a scheme"],
    [hex, "64 hexadecimal digits"],
    ["a//b", "has an empty part"],
    ["/a", "has an empty part"],
    ["a/", "has an empty part"],
    ["a..b", "is no part"],
    ["a___b", "is no part"],
    ["-a", "is no part"],
    ["a b", "is no part"],
    ["../etc", "is no host"],
    ["./a", "is no host"],
    ["ghcr.io/../x", "is no part"],
    ["localhost:/x", "is no host"],
    ["localhost:99999/x", "is no host"],
    ["localhost:5000/", "the name of the repository is missing"],
    ["registry.io/:tag", "the name of the repository is missing"],
    ["ex_ample.com/x", "is no host"],
    ["user@host.com/x", "is no digest"],
    [`a.b/${"x".repeat(255)}`, "more than 255 characters"],
    ["a\u0000b", "is no part"],
    ["ünï", "is no part"],
  ])("%j", (text, reason) => {
    try {
      parseReference(text);
    } catch (error) {
      if (!isRunletError(error)) throw error;
      expect(error.code).toBe("ERR_RUNLET_IMAGE");
      expect(error.message).toContain("invalid image name");
      expect(error.message).toContain(reason);
      return;
    }
    throw new Error("it was read");
  });
});

test("a name that is given has no digest", () => {
  expect(formatReference(parseNewName("web:1"))).toBe("docker.io/library/web:1");
  expect(() => parseNewName(`web:1@${digest}`)).toThrow(
    expect.objectContaining({ code: "ERR_RUNLET_IMAGE", message: expect.stringContaining("which nobody chooses") }),
  );
});
