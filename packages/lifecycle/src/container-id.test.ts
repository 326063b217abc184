import { isRunletError } from "@runlet/errors";
import { describe, expect, it } from "vitest";
import { checkContainerId } from "./container-id.ts";

describe("checkContainerId", () => {
  it.each(["a", "web-1", "A.b_c+d", "...", "0".repeat(255)])("takes %s", (id) => {
    expect(() => checkContainerId(id)).not.toThrow();
  });

  it.each(["", ".", "..", "a/b", "../x", "/", "a b", "a\0", "ä", "a\n", "x".repeat(256), "1".repeat(1 << 20)])(
    "refuses %j",
    (id) => {
      try {
        checkContainerId(id);
        expect.unreachable();
      } catch (error) {
        expect(isRunletError(error) && error.code).toBe("ERR_RUNLET_INVALID_ID");
        expect((error as Error).message).toContain("invalid container ID format");
        expect((error as Error).message.length).toBeLessThan(300);
      }
    },
  );
});
