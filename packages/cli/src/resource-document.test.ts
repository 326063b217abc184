import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RunletError } from "@runlet/errors";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { locateInResources, readResources } from "./resource-document.ts";

describe("readResources", () => {
  let directory: string;
  let warnings: string[];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "runlet-resources-"));
    warnings = [];
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  function read(text: string) {
    writeFileSync(join(directory, "limits.json"), text);
    return readResources(join(directory, "limits.json"), (message) => warnings.push(message));
  }

  it("reads limits", () => {
    expect(read('{"memory": {"limit": 67108864}, "pids": {"limit": 10}}')).toEqual({
      memory: { limit: 67108864 },
      pids: { limit: 10 },
    });
    expect(warnings).toEqual([]);
  });

  it("leaves the denial of all devices out in silence, which engines send", () => {
    expect(read('{"devices": [{"allow": false, "access": "rwm"}], "pids": {"limit": 10}}')).toEqual({
      pids: { limit: 10 },
    });
    expect(warnings).toEqual([]);
  });

  it("says that other rules for devices have no effect", () => {
    expect(read('{"devices": [{"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}]}')).toEqual({});
    expect(warnings).toEqual([expect.stringMatching(/limits\.json \/devices: update leaves devices as they are$/)]);
  });

  it("warns of a field that does not exist", () => {
    read('{"memry": {}}');
    expect(warnings).toEqual([
      expect.stringMatching(/limits\.json:1:2 \/memry: .* \(hint: did you mean "memory"\?\)$/),
    ]);
  });

  it("names the field that is wrong, and the file", () => {
    expect(() => read('{"pids": {"limit": "many"}}')).toThrow(
      expect.objectContaining({
        code: "ERR_RUNLET_CONFIG_INVALID",
        pointer: "/pids/limit",
        document: join(directory, "limits.json"),
      }),
    );
  });

  it("refuses what is not JSON", () => {
    expect(() => read("{")).toThrow(
      expect.objectContaining({
        code: "ERR_RUNLET_CONFIG_SYNTAX",
        message: expect.stringContaining("limits.json is not valid JSON: line 1, column 2"),
      }),
    );
  });

  it("refuses a file that is not there", () => {
    expect(() => readResources(join(directory, "absent"), () => {})).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_USAGE", errno: "ENOENT" }),
    );
  });
});

describe("locateInResources", () => {
  it("names the file where the kernel refuses a limit, and leaves what is not of it alone", () => {
    const facts = { syscall: "write", errno: "EBUSY", hint: "take more" };
    const refusal = new RunletError("ERR_RUNLET_CGROUP", "no", { ...facts, pointer: "/linux/resources/memory/limit" });
    expect(locateInResources(refusal, "limits.json")).toMatchObject({
      ...{ code: "ERR_RUNLET_CGROUP", message: "no", ...facts },
      ...{ pointer: "/memory/limit", document: "limits.json" },
    });
    const other = new RunletError("ERR_RUNLET_CGROUP", "no", { pointer: "/linux/intelRdt" });
    expect(locateInResources(other, "limits.json")).toBe(other);
  });
});
