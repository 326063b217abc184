import { expect, it } from "vitest";
import { checkEncoding } from "./argument-encoding.ts";

const bytes = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));
const unread = () => {
  throw new Error("nothing is suspicious");
};

it("takes whatever is UTF-8, a replacement character that was typed too", () => {
  checkEncoding(["exec", "box", "ä", "😀"], unread);
  checkEncoding(["\ufffd"], () => bytes("runlet\0\xef\xbf\xbd\0"));
});

it("refuses bytes that the engine has replaced", () => {
  expect(() => checkEncoding(["exec", "box", "a\ufffd"], () => bytes("runlet\0exec\0box\0a\xff\0"))).toThrow(
    expect.objectContaining({ code: "ERR_RUNLET_USAGE", message: expect.stringContaining("is not UTF-8") }),
  );
});

it("shows such an argument without what a terminal would obey", () => {
  expect(() => checkEncoding(["\u009b31m\ufffd"], () => bytes("runlet\0\xc2\x9b31m\xff\0"))).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining("\u009b") }),
  );
});
