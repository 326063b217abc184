import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultSpec } from "@runlet/spec";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { StateDirectory } from "./state-directory.ts";
import type { StateRecord } from "./state-record.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "runlet-state-"));
});
afterEach(() => rmSync(root, { recursive: true }));

function recordOf(id: string): StateRecord {
  return {
    id,
    version: 1,
    ociVersion: "1.3.0",
    init_process_pid: 0,
    init_process_start: 0,
    created: "2026-11-21T20:00:00.000000000Z",
    bundle: "/b",
    rootfs: "/b/rootfs",
    ownerUid: 0,
    rootless: false,
    cgroup_paths: {},
    cgroup: null,
    startOperations: { firstIndex: 0, operations: [] },
    config: defaultSpec(),
  };
}

describe("StateDirectory", () => {
  it("claims an id once", () => {
    new StateDirectory(root, "a").create();
    expect(() => new StateDirectory(root, "a").create()).toThrow(/already exists/);
  });

  it("says where nothing can be written", () => {
    const absent = new StateDirectory(join(root, "absent"), "a");
    const expected = { code: "ERR_RUNLET_HOST", errno: "ENOENT" };
    expect(() => absent.create()).toThrow(expect.objectContaining({ ...expected, syscall: "mkdir" }));
    expect(() => absent.write(recordOf("a"))).toThrow(
      expect.objectContaining({
        ...expected,
        syscall: "open",
        message: `the state of container a cannot be written to "${root}/absent/a": no such file or directory`,
      }),
    );
  });

  it("reads back what it wrote, limits beyond 2^53 to the last digit", () => {
    const directory = new StateDirectory(root, "a");
    directory.create();
    const record = recordOf("a");
    const rlimits = [{ type: "RLIMIT_AS" as const, soft: 2n ** 64n - 1n, hard: 2n ** 53n + 1n }];
    const config = { ...record.config, process: { ...record.config.process, rlimits } } as typeof record.config;
    directory.write({ ...record, config });
    // Another one's: who has written it has it at hand.
    expect(new StateDirectory(root, "a").read()?.config.process?.rlimits).toEqual(rlimits);
    expect(readdirSync(directory.hostPath)).toEqual(["state.json"]);
  });

  it("lets everybody into the directory of the notification socket, whatever the umask", () => {
    const directory = new StateDirectory(root, "a");
    directory.create();
    const umask = process.umask(0o077);
    onTestFinished(() => void process.umask(umask));
    directory.createNotifyDirectory();
    expect(statSync(join(directory.hostPath, "notify")).mode & 0o777).toBe(0o755);
    expect(() => new StateDirectory(root, "b").createNotifyDirectory()).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_HOST", syscall: "mkdir", errno: "ENOENT" }),
    );
  });

  it("tells a container without a record from one that is not there", () => {
    const directory = new StateDirectory(root, "a");
    expect(() => directory.read()).toThrow(/container does not exist: a/);
    directory.create();
    expect(directory.read()).toBeNull();
  });

  it("reads what was written down before the container was made, until there is a record", () => {
    const directory = new StateDirectory(root, "a");
    directory.create();
    directory.writeIntent(recordOf("a"));
    expect(directory.read()).toEqual(recordOf("a"));
    expect(readdirSync(directory.hostPath)).toEqual(["intent.json"]);
    directory.write({ ...recordOf("a"), init_process_pid: 7 });
    expect(directory.read()?.init_process_pid).toBe(7);
    directory.complete();
    expect(readdirSync(directory.hostPath)).toEqual(["state.json"]);
    expect(directory.read()?.init_process_pid).toBe(7);
  });

  it("is being made as long as its maker has the lock and has not said otherwise", async () => {
    const directory = new StateDirectory(root, "a");
    const maker = await directory.claim();
    expect(directory.isBeingMade()).toBe(false);
    directory.writeIntent(recordOf("a"));
    directory.write({ ...recordOf("a"), init_process_pid: 7 });
    expect(new StateDirectory(root, "a").isBeingMade()).toBe(true);
    maker[Symbol.dispose]();
    expect(directory.isBeingMade()).toBe(false);
    const other = await directory.lock();
    directory.complete();
    expect(directory.isBeingMade()).toBe(false);
    other[Symbol.dispose]();
  });

  it("is not claimed by two, although the first one's directory was deleted before it had the lock", async () => {
    const [first, second] = [new StateDirectory(root, "a"), new StateDirectory(root, "a")];
    const { create } = first;
    // Between the making and the lock: somebody deletes it, and a second one makes it anew.
    first.create = () => {
      create.call(first);
      first.remove();
      second.create();
      second.writeIntent(recordOf("a"));
    };
    await expect(first.claim()).rejects.toMatchObject({ code: "ERR_RUNLET_EXISTS" });
    expect(second.read()).toEqual(recordOf("a"));
    (await second.lock())[Symbol.dispose]();
  });

  it("believes the record when an interrupted creation left both", () => {
    const directory = new StateDirectory(root, "a");
    directory.create();
    directory.writeIntent(recordOf("a"));
    new StateDirectory(root, "a").write({ ...recordOf("a"), init_process_pid: 7 });
    expect(directory.read()?.init_process_pid).toBe(7);
    directory.remove();
    expect(readdirSync(root)).toEqual([]);
  });

  it("says that a record is damaged, and removes it all the same", () => {
    const directory = new StateDirectory(root, "a");
    directory.create();
    writeFileSync(join(directory.hostPath, "state.json"), '{"id":');
    expect(() => directory.read()).toThrow(/damaged/);
    directory.remove();
    expect(readdirSync(root)).toEqual([]);
    directory.remove();
  });

  it("makes a second one wait for the lock", async () => {
    const directory = new StateDirectory(root, "a");
    directory.create();
    const order: string[] = [];
    const first = await directory.lock();
    const second = directory.lock().then((lock) => {
      order.push("second");
      return lock;
    });
    await new Promise((resolve) => setTimeout(resolve, 30));
    order.push("first ends");
    first[Symbol.dispose]();
    (await second)[Symbol.dispose]();
    expect(order).toEqual(["first ends", "second"]);
  });

  it("gives nobody the lock of a container that was deleted while it was waited for", async () => {
    const directory = new StateDirectory(root, "a");
    const first = await directory.claim();
    const absent = directory.lock().catch((error) => error);
    const replaced = new StateDirectory(root, "a").lock().catch((error) => error);
    directory.remove();
    first[Symbol.dispose]();
    expect(await absent).toMatchObject({ code: "ERR_RUNLET_NOT_FOUND" });
    directory.create();
    expect(await replaced).toMatchObject({ code: "ERR_RUNLET_NOT_FOUND" });
    (await directory.lock())[Symbol.dispose]();
  });

  it("sees what another process has written", () => {
    const [mine, others] = [new StateDirectory(root, "a"), new StateDirectory(root, "a")];
    mine.create();
    for (let pid = 1; pid < 20; pid++) {
      const writer = pid % 2 === 0 ? mine : others;
      writer.write({ ...recordOf("a"), init_process_pid: pid });
      expect([mine.read()?.init_process_pid, others.read()?.init_process_pid]).toEqual([pid, pid]);
    }
  });
});
