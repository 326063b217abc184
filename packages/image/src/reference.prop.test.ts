import { isRunletError } from "@runlet/errors";
import fc from "fast-check";
import { expect, test } from "vitest";
import { formatReference, parseReference, shortenReference } from "./reference.ts";

const hex = (length: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: length, maxLength: length });
const component = fc.stringMatching(/^[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}$/);
const reference = fc.record(
  {
    registry: fc.oneof(
      fc.constantFrom("docker.io", "localhost", "[::1]:5000", "127.0.0.1:80"),
      fc
        .stringMatching(/^[a-z0-9]{1,8}(\.[a-z0-9]{1,8}){1,3}(:[1-9][0-9]{0,3})?$/)
        .filter((host) => host !== "index.docker.io"),
    ),
    repository: fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/")),
    tag: fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/),
    digest: fc.oneof(
      hex(64).map((text) => `sha256:${text}`),
      hex(128).map((text) => `sha512:${text}`),
    ),
  },
  { requiredKeys: ["registry", "repository", "tag"] },
);

test("what is formatted is read back to the same, long and short", () => {
  fc.assert(
    fc.property(reference, (whole) => {
      const text = formatReference(whole);
      const parsed = parseReference(text);
      expect(formatReference(parseReference(formatReference(parsed)))).toBe(formatReference(parsed));
      expect(parseReference(shortenReference(parsed))).toEqual(parsed);
      if (whole.registry !== "docker.io" || whole.repository.includes("/")) expect(parsed).toEqual(whole);
    }),
  );
});

test("whatever is given is read to something that can be a path of a registry, or refused", () => {
  const pieces = fc.constantFrom(
    "a",
    "A",
    "/",
    ":",
    "@",
    ".",
    "..",
    "_",
    "-",
    "sha256:",
    "0".repeat(64),
    "[",
    "]",
    "%",
    " ",
    "é",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(pieces).map((parts) => parts.join("")),
      ),
      (text) => {
        try {
          const { registry, repository, tag } = parseReference(text);
          expect(registry).toMatch(/^[A-Za-z0-9.:[\]-]+$/);
          expect(repository).toMatch(/^[a-z0-9._/-]+$/);
          expect(repository.split("/")).not.toContain("..");
          if (tag !== undefined) expect(tag).toMatch(/^[\w.-]+$/);
        } catch (error) {
          if (!isRunletError(error)) throw error;
          expect(error.code).toBe("ERR_RUNLET_IMAGE");
        }
      },
    ),
    { numRuns: 2000 },
  );
});
