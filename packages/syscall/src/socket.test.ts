import { closeSync } from "node:fs";
import { expect, test } from "vitest";
import { receiveMessage, SOCK_SEQPACKET, sendMessage, socketpair } from "./socket.ts";

test("the last word of a side that left something unread is heard, and then its end", () => {
  const [ours, theirs] = socketpair(SOCK_SEQPACKET);
  sendMessage(ours, Uint8Array.of(1));
  sendMessage(theirs, Uint8Array.of(2));
  closeSync(theirs);
  expect(receiveMessage(ours, 8)?.bytes).toEqual(Uint8Array.of(2));
  expect(receiveMessage(ours, 8)?.bytes).toHaveLength(0);
  closeSync(ours);
});
