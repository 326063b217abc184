import { describe, expect, it } from "vitest";
import { formatTable } from "./text-table.ts";

const header = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"];

describe("formatTable", () => {
  it("has the columns of an empty list", () => {
    expect(formatTable([header])).toBe("ID          PID         STATUS      BUNDLE      CREATED     OWNER");
  });

  it("widens a column to its longest cell and three blanks, and counts characters", () => {
    expect(
      formatTable([
        header,
        ["a-rather-long-name", "10460", "running", "/tmp/b", "2026-11-21T21:37:43.410011037Z", "root"],
        ["🚢", "0", "stopped", "/srv/bündel/eins", "2026-11-21T21:37:43.410011037Z", "#1000"],
      ]),
    ).toBe(
      [
        "ID                   PID         STATUS      BUNDLE             CREATED                          OWNER",
        "a-rather-long-name   10460       running     /tmp/b             2026-11-21T21:37:43.410011037Z   root",
        "🚢                    0           stopped     /srv/bündel/eins   2026-11-21T21:37:43.410011037Z   #1000",
      ].join("\n"),
    );
  });
});
