import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { delegatedPaths, isDelegated } from "./delegation.ts";

let directory = "";

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "runlet-delegation-"));
  mkdirSync(join(directory, "mine"));
});

afterAll(() => {
  rmSync(directory, { recursive: true });
});

describe("delegatedPaths", () => {
  it("keeps what lies in a directory that can be written", () => {
    const memory = join(directory, "mine", "box");
    const pids = join(directory, "missing", "box");
    expect(delegatedPaths({ hostPaths: { memory, pids } })).toEqual({ memory });
    expect(isDelegated({ hostPaths: { memory, pids } })).toBe(true);
  });

  it("is empty where nothing was delegated", () => {
    const hostPaths = { "": join(directory, "missing", "box") };
    expect(delegatedPaths({ hostPaths })).toEqual({});
    expect(isDelegated({ hostPaths })).toBe(false);
  });
});
