import { describe, expect, it } from "vitest";
import { decodeReport } from "./message.ts";

function messageOf(kind: number, call = "", text = ""): Uint8Array {
  const bytes = new Uint8Array(40 + text.length + 1);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, kind, true);
  view.setUint32(4, 12, true);
  view.setInt32(8, 19, true);
  view.setUint32(12, 77, true);
  bytes.set(new TextEncoder().encode(call), 16);
  bytes.set(new TextEncoder().encode(text), 40);
  return bytes;
}

describe("decodeReport", () => {
  it("reads every field", () => {
    expect(decodeReport({ bytes: messageOf(1, "fsopen", "nfs"), fds: [4] })).toEqual({
      kind: "failed",
      index: 12,
      errno: 19,
      value: 77,
      call: "fsopen",
      text: "nfs",
      fds: [4],
    });
  });

  it("takes an empty message for the end of the connection", () => {
    expect(decodeReport({ bytes: new Uint8Array(), fds: [] })).toBeNull();
  });

  it.each([messageOf(99), messageOf(0), new Uint8Array(3), new Uint8Array(40)])(
    "refuses what means nothing",
    (bytes) => {
      expect(() => decodeReport({ bytes, fds: [] })).toThrow(/means nothing/);
    },
  );

  it("ends at a text without its NUL", () => {
    const bytes = messageOf(3, "x".repeat(24), "abc").subarray(0, 43);
    expect(decodeReport({ bytes, fds: [] })).toMatchObject({ kind: "forked", call: "x".repeat(24), text: "abc" });
  });
});
