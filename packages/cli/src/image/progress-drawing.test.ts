import type { Progress } from "@runlet/image";
import { describe, expect, it } from "vitest";
import { drawProgress } from "./progress-drawing.ts";

function progress(
  letter: string,
  doneBytes: number,
  totalBytes = 4 * 2 ** 20,
  step: Progress["step"] = "download",
): Progress {
  return { step, digest: `sha256:${letter.repeat(64)}`, doneBytes, totalBytes };
}

describe("drawProgress", () => {
  it("draws a line for each content, with a bar as long as its share", () => {
    expect(drawProgress([progress("a", 2 ** 20), progress("b", 5, 5, "unpack")], { rows: 24, columns: 80 })).toEqual([
      `aaaaaaaaaaaa download [########-------------------------]           1.0/4.0 MiB`,
      `bbbbbbbbbbbb unpack   [#################################]           0.0/0.0 MiB`,
    ]);
  });

  it.each([1, 10, 20, 40, 50, 60, 79, 80, 200, 1000])("keeps within a terminal of %d columns", (columns) => {
    for (const line of drawProgress([progress("a", 2 ** 40, 2 ** 42), progress("b", 0, 0)], { rows: 24, columns })) {
      expect(line.length).toBeLessThan(columns);
    }
  });

  it("shows what is under way first where there is no room for all", () => {
    const contents = [
      progress("a", 4 * 2 ** 20),
      progress("b", 4 * 2 ** 20),
      progress("c", 1),
      progress("d", 2),
      progress("e", 3),
    ];
    const lines = drawProgress(contents, { rows: 5, columns: 80 });
    expect(lines.map((line) => line.slice(0, 4))).toEqual(["cccc", "dddd", "eeee", "2 of"]);
    expect(lines.at(-1)).toBe("2 of 5 done");
  });

  it("takes a terminal that does not know its size for one of 24 rows and 80 columns", () => {
    const contents = Array.from({ length: 30 }, (_, index) => progress(String(index % 10), 1));
    const lines = drawProgress(contents, { rows: 0, columns: 0 });
    expect([lines.length, lines[0]?.length]).toEqual([23, 79]);
  });

  it("has no bar longer than whole, whatever a source says", () => {
    const [line = ""] = drawProgress([progress("a", 10, 5)], { rows: 24, columns: 80 });
    expect(line).toContain(`[${"#".repeat(33)}]`);
  });
});
