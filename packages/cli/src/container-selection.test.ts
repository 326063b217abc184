import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ContainerState, Runtime } from "@runlet/lifecycle";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { selectContainers } from "./container-selection.ts";

let runtime: Runtime;

beforeEach(() => {
  runtime = new Runtime({ root: mkdtempSync(join(tmpdir(), "runlet-selection-")) });
});
afterEach(() => rmSync(runtime.root, { recursive: true }));

describe("selectContainers", () => {
  it("says that there is no container of that id", async () => {
    await expect(selectContainers(runtime, "web", false)).rejects.toMatchObject({ code: "ERR_RUNLET_NOT_FOUND" });
  });

  it("finds none that matches where there is none", async () => {
    mkdirSync(runtime.root, { recursive: true });
    expect(await selectContainers(runtime, ".*", true)).toEqual([]);
  });

  it("leaves out what another command deletes after it was listed", async () => {
    mkdirSync(join(runtime.root, "there"));
    runtime.list = async () => ["gone", "there"].map((id) => ({ id }) as ContainerState);
    const found = await selectContainers(runtime, ".*", true);
    expect(found.map(({ id }) => id)).toEqual(["there"]);
  });

  it("refuses what is no regular expression", async () => {
    await expect(selectContainers(runtime, "(", true)).rejects.toMatchObject({
      code: "ERR_RUNLET_USAGE",
      message: '"(" is no regular expression',
    });
  });
});
