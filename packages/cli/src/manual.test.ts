import { describe, expect, it } from "vitest";
import { commands, findCommand } from "./commands.ts";
import { formatManual, manualPages } from "./manual.ts";

describe("formatManual", () => {
  it("has a title and the sections of a command", () => {
    const page = formatManual("1.2.3", findCommand("kill"));
    expect(page.split("\n")[0]).toBe('.TH "RUNLET-KILL" "8" "" "runlet 1.2.3" "runlet manual"');
    expect([...page.matchAll(/^\.SH (.*)$/gm)].map(([, title]) => title)).toEqual([
      "NAME",
      "SYNOPSIS",
      "ARGUMENTS",
      "OPTIONS",
      "SEE ALSO",
    ]);
    expect(page).toContain("runlet\\-kill \\- send a signal to a container");
    expect(page.endsWith("\n")).toBe(true);
  });

  it("describes every option that is shown", () => {
    const page = formatManual("1", findCommand("run"));
    for (const [name, option] of Object.entries(findCommand("run")?.options ?? {})) {
      expect(page).toContain(`\\fB\\-\\-${name.replaceAll("-", "\\-")}\\fR`);
      expect(page).toContain(option.summary.replaceAll("-", "\\-"));
    }
  });

  it("begins no line of text with what roff takes for a request", () => {
    for (const page of manualPages("1").values()) {
      for (const line of page.split("\n")) expect(line).toMatch(/^(\.(TH|SH|TP|PP|B)\b|[^.'])|^$/);
    }
  });
});

describe("manualPages", () => {
  it("has a page for the program and for every command that is shown", () => {
    const shown = commands
      .filter((command) => command.hidden !== true)
      .map((command) => `runlet-${command.name.replace(" ", "-")}.8`);
    expect([...manualPages("1").keys()]).toEqual(["runlet.8", ...shown, "runlet-image.8"]);
  });
});
