import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { digest } from "./digest.ts";

it("is SHA-256 at every length around a block's end", () => {
  for (const length of [0, 1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 128, 5000]) {
    const text = "é".repeat(length % 3) + "a".repeat(length);
    expect(digest(text)).toBe(createHash("sha256").update(text).digest("hex"));
  }
});
