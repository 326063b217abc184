import type { Progress } from "@runlet/image";
import { describe, expect, it } from "vitest";
import { openTransferDisplay, terminalDisplay } from "./transfer-display.ts";

function step(doneBytes: number, digest = "sha256:aa", kind: Progress["step"] = "download"): Progress {
  return { step: kind, digest, doneBytes, totalBytes: 100 };
}

describe("for programs", () => {
  it("is a line of JSON for a step's beginning and its end, each once, and few between", async () => {
    const printed: string[] = [];
    const display = await openTransferDisplay({ isQuiet: false, isJson: true, print: (text) => printed.push(text) });
    for (let done = 1; done <= 100; done++) display.update(step(done));
    display.update(step(100));
    display.update(step(100, "sha256:aa", "unpack"));
    display.finish();
    expect(printed.map((line) => JSON.parse(line))).toEqual([step(1), step(100), step(100, "sha256:aa", "unpack")]);
  });
});

describe("without a terminal, or quiet", () => {
  it.each([true, false])("is nothing (quiet: %s)", async (isQuiet) => {
    const printed: string[] = [];
    const display = await openTransferDisplay({ isQuiet, isJson: false, print: (text) => printed.push(text) });
    display.update(step(100));
    display.finish();
    expect(printed).toEqual([]);
  });
});

/** What a terminal shows after text with cursor movements: only those that the display uses are known. */
function render(text: string): string[] {
  const lines: string[] = [""];
  let row = 0;
  for (const [part, up] of text.replaceAll("\x1b", "␛").matchAll(/␛\[(\d+)A|␛\[[KJ]|\r|\n|[^␛\r\n]+/g)) {
    if (up !== undefined) row -= Number(up);
    else if (part === "\n") lines[++row] ??= "";
    else if (part === "␛[J") lines.splice(row + 1);
    else if (part !== "\r" && part !== "␛[K") lines[row] = part;
  }
  return lines.slice(0, -1);
}

describe("at a terminal", () => {
  it("draws over what it has drawn, and leaves the end standing", () => {
    let written = "";
    const display = terminalDisplay({
      size: () => ({ rows: 24, columns: 80 }),
      write: (text) => {
        written += text;
      },
    });
    display.update(step(5, "sha256:manifest", "resolve"));
    display.update(step(10, "sha256:aa"));
    display.update(step(0, "sha256:bb"));
    display.update(step(100, "sha256:aa"));
    display.update(step(100, "sha256:bb"));
    display.finish();
    const shown = render(written);
    expect(shown.map((line) => line.slice(0, 11))).toEqual(["aa download", "bb download"]);
    for (const line of shown) expect(line).not.toContain("-]");
    expect(written).toContain("\x1b[1A");
  });

  it("shows nothing where nothing was transferred", () => {
    const display = terminalDisplay({ size: () => ({ rows: 24, columns: 80 }), write: () => expect.unreachable() });
    display.update(step(5, "sha256:manifest", "resolve"));
    display.finish();
  });
});
