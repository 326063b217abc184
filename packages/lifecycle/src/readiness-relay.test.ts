import { spawn } from "node:child_process";
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectUnix, listenUnix, type Message, receiveMessage, SOCK_DGRAM, sendMessage } from "@runlet/syscall";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ReadinessRelay } from "./readiness-relay.ts";

let directory = "";
let manager: { readonly fd: number; readonly directoryFd: number };

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "readiness-"));
  mkdirSync(join(directory, "notify"));
  const directoryFd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  manager = { fd: listenUnix(directoryFd, "manager.sock", SOCK_DGRAM), directoryFd };
});

afterEach(() => {
  closeSync(manager.fd);
  closeSync(manager.directoryFd);
  rmSync(directory, { recursive: true });
});

function openRelay(): ReadinessRelay {
  const relay = ReadinessRelay.open(directory, join(directory, "manager.sock"));
  if (relay === null) throw new Error("there is a directory, and no relay");
  return relay;
}

/** Says something as the container does. */
function say(text: string): void {
  const fd = connectUnix(-1, join(directory, "notify/notify.sock"), SOCK_DGRAM);
  sendMessage(fd, new TextEncoder().encode(text));
  closeSync(fd);
}

/** The next message that the manager gets. */
async function hear(fd = manager.fd): Promise<Message & { readonly text: string }> {
  for (let attempt = 0; attempt < 500; attempt++) {
    const message = receiveMessage(fd, 4096);
    if (message !== null) return { ...message, text: new TextDecoder().decode(message.bytes) };
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("the manager heard nothing within 5 s");
}

/** Expects that the manager hears of a container that is ready. */
async function expectReady(relay: ReadinessRelay, fd = manager.fd): Promise<void> {
  say("READY=1");
  const relayed = relay.relay(process.pid);
  expect((await hear(fd)).text).toBe("READY=1\n");
  expect((await hear(fd)).text).toBe(`MAINPID=${process.pid}\n`);
  for (const passed of (await hear(fd)).fds) closeSync(passed);
  await relayed;
}

test("takes the word READY to the manager, with the process as the host knows it, and waits until that was read", async () => {
  using relay = openRelay();
  let isDone = false;
  const relayed = relay.relay(process.pid).then(() => {
    isDone = true;
  });
  say("STATUS=half way\nMAINPID=1\nFDSTORE=1");
  say("STATUS=there\nREADY=1\nMAINPID=1");
  expect((await hear()).text).toBe("READY=1\n");
  expect((await hear()).text).toBe(`MAINPID=${process.pid}\n`);
  const barrier = await hear();
  expect(barrier.text).toBe("BARRIER=1");
  expect(barrier.fds).toHaveLength(1);
  expect(isDone).toBe(false);
  for (const fd of barrier.fds) closeSync(fd);
  await relayed;
  expect(receiveMessage(manager.fd, 4096)).toBeNull();
});

test("ends with the process, which may have said that it is ready before", async () => {
  using relay = openRelay();
  const child = spawn("sleep", ["0.2"]);
  await relay.relay(child.pid ?? 0);
  expect(receiveMessage(manager.fd, 4096)).toBeNull();
  await relay.relay(child.pid ?? 0);
});

test("every user of the container may use its socket", () => {
  using _relay = openRelay();
  expect(statSync(join(directory, "notify/notify.sock")).mode & 0o777).toBe(0o777);
});

test("a manager with an abstract name is reached too", async () => {
  const name = `@runlet-readiness-${process.pid}`;
  const fd = listenUnix(-1, name, SOCK_DGRAM);
  try {
    using relay = ReadinessRelay.open(directory, name) as ReadinessRelay;
    await expectReady(relay, fd);
  } finally {
    closeSync(fd);
  }
});

test("after a start that has failed the next one listens anew", async () => {
  openRelay()[Symbol.dispose]();
  using relay = openRelay();
  await expectReady(relay);
});

test("whoever comes second has none, and takes nothing from the first", async () => {
  using relay = openRelay();
  expect(ReadinessRelay.open(directory, join(directory, "manager.sock"))).toBeNull();
  await expectReady(relay);
});

test("there is none without the directory, and an error where nobody listens", () => {
  expect(ReadinessRelay.open(join(directory, "none"), join(directory, "manager.sock"))).toBeNull();
  expect(() => ReadinessRelay.open(directory, join(directory, "nobody"))).toThrow(
    expect.objectContaining({
      code: "ERR_RUNLET_USAGE",
      errno: "ENOENT",
      message: expect.stringContaining("NOTIFY_SOCKET"),
    }),
  );
});
