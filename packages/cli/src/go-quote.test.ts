import { describe, expect, it } from "vitest";
import { goQuote } from "./go-quote.ts";

describe("goQuote", () => {
  it.each([
    ["plain", '"plain"'],
    ['a "b" \\ c', '"a \\"b\\" \\\\ c"'],
    ["\u0007\b\f\n\r\t\v", '"\\a\\b\\f\\n\\r\\t\\v"'],
    ["\u0000\u001b[31m\u007f", '"\\x00\\x1b[31m\\x7f"'],
    ["grün — 容器 🚢", '"grün — 容器 🚢"'],
    ["\u00a0\u200b\u2028\ufeff\u00ad", '"\\u00a0\\u200b\\u2028\\ufeff\\u00ad"'],
    ["\u{e0001}", '"\\U000e0001"'],
    ["\ud800x", '"\ufffdx"'],
    ["'`", '"\'`"'],
  ])("quotes %j as strconv.Quote does", (text, quoted) => {
    expect(goQuote(text)).toBe(quoted);
  });
});
