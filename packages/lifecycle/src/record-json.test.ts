import type { Spec } from "@runlet/spec";
import { expect, test } from "vitest";
import { parseRecord, shareConfig, stringifyRecord, withProcess } from "./record-json.ts";
import type { StateRecord } from "./state-record.ts";

function recordOf(config: Spec): StateRecord {
  return {
    id: "box",
    version: 1,
    ociVersion: config.ociVersion,
    init_process_pid: 0,
    init_process_start: 0,
    created: "2026-01-02T03:04:05.000000000Z",
    bundle: "/bundle",
    rootfs: "/bundle/rootfs",
    ownerUid: 0,
    rootless: false,
    cgroup_paths: { "": "/sys/fs/cgroup/box" },
    cgroup: null,
    startOperations: { firstIndex: 3, operations: [] },
    config,
  };
}

const configs: [what: string, config: Spec][] = [
  [
    "a config",
    {
      ociVersion: "1.2.0",
      process: { user: { uid: 0, gid: 0 }, cwd: "/", args: ["sh", '"}'] },
      annotations: { a: "b" },
    },
  ],
  [
    "one with a number beyond 2^53",
    { ociVersion: "1.2.0", linux: { resources: { memory: { limit: 2n ** 63n - 1n } } } },
  ],
];

test.each(configs)("%s that is shared is written as one that is not, each time", (_, config) => {
  const record = recordOf(config);
  const text = stringifyRecord(record);
  shareConfig(config);
  for (const pid of [0, 7]) {
    const written = stringifyRecord({ ...record, init_process_pid: pid });
    expect(parseRecord(written)).toEqual({ ...parseRecord(text), init_process_pid: pid });
    expect(parseRecord(written)).toEqual({ ...record, init_process_pid: pid });
  }
});

test("what follows the config in a record is kept", () => {
  const record: StateRecord = { ...recordOf({ ociVersion: "1.2.0" }), ownsBundle: true };
  shareConfig(record.config);
  expect(parseRecord(stringifyRecord(record))).toEqual(record);
});

test.each(configs)("%s with its process is written as one that has had it from the beginning", (_, config) => {
  const process = { init_process_pid: 7, init_process_start: 2 ** 40 };
  const record = recordOf(config);
  stringifyRecord(record);
  const completed = withProcess(record, process);
  expect(completed).toEqual({ ...record, ...process });
  expect(stringifyRecord(completed)).toBe(stringifyRecord({ ...record, ...process }));
  expect(stringifyRecord(withProcess(recordOf(config), process))).toBe(stringifyRecord(completed));
});
