import { spawnSync } from "node:child_process";
import { closeSync, readSync, writeSync } from "node:fs";
import { expect, test } from "vitest";
import { O_NONBLOCK, pipe } from "./socket.ts";
import { waitReadable, waitReadableWithin, waitWritable } from "./watch.ts";

/** Long enough for the thread that waits to have queued the events of both descriptors, while nobody takes them. */
function stand(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

function openPipes(count: number) {
  const pipes = Array.from({ length: count }, () => pipe(O_NONBLOCK));
  return {
    pipes: pipes.map(([readFd, writeFd]) => ({ readFd, writeFd })),
    [Symbol.dispose]: () => {
      for (const fd of pipes.flat()) closeSync(fd);
    },
  };
}

test("waits for data, for the end and for room", async () => {
  const [readFd, writeFd] = pipe(O_NONBLOCK);
  await waitWritable(writeFd);
  const waiting = waitReadable(readFd);
  writeSync(writeFd, "x");
  await waiting;
  readSync(readFd, Buffer.alloc(1));
  const ending = waitReadable(readFd);
  closeSync(writeFd);
  await ending;
  closeSync(readFd);
});

test("who gives up is told why, and may wait anew", async () => {
  using opened = openPipes(1);
  const [{ readFd, writeFd } = { readFd: -1, writeFd: -1 }] = opened.pipes;
  const controller = new AbortController();
  const waiting = waitReadable(readFd, controller.signal);
  await expect(waitReadable(readFd)).rejects.toMatchObject({ syscall: "epoll_ctl", code: "EEXIST" });
  controller.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  await expect(waitReadable(readFd, controller.signal)).rejects.toThrow("enough");
  const again = waitReadable(readFd);
  writeSync(writeFd, "x");
  await again;
});

test("who waits for a limited time is told when it is over, and may wait anew", async () => {
  using opened = openPipes(1);
  const [{ readFd, writeFd } = { readFd: -1, writeFd: -1 }] = opened.pipes;
  const within = (limitMs: number, signal?: AbortSignal) =>
    waitReadableWithin(readFd, { limitMs, timeoutError: () => new Error(`${limitMs} ms`), signal });
  await expect(within(20)).rejects.toThrow("20 ms");
  const controller = new AbortController();
  const waiting = within(60_000, controller.signal);
  controller.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  const again = within(60_000);
  writeSync(writeFd, "x");
  await again;
  // The timer of one that is over ends nobody else's wait.
  readSync(readFd, Buffer.alloc(1));
  writeSync(writeFd, "x");
  await within(10);
  readSync(readFd, Buffer.alloc(1));
  await expect(within(40)).rejects.toThrow("40 ms");
});

test("each limit holds, whichever ends first", async () => {
  using opened = openPipes(4);
  const ended: number[] = [];
  const waits = opened.pipes.map(async ({ readFd }, index) => {
    const limitMs = [90, 30, 60_000, 60][index] ?? 0;
    await expect(
      waitReadableWithin(readFd, { limitMs, timeoutError: () => new Error(`${limitMs} ms`) }),
    ).rejects.toThrow(`${limitMs} ms`);
    ended.push(limitMs);
  });
  const last = waits.splice(2, 1);
  await Promise.all(waits);
  expect(ended).toEqual([30, 60, 90]);
  const [, , other] = opened.pipes;
  writeSync(other?.writeFd ?? -1, "x");
  await expect(last[0]).rejects.toThrow("resolved");
});

test("a limit keeps the program alive until it is reached, and not when the wait is over", () => {
  // A program of its own is what has been built.
  const index = new URL("../dist/index.js", import.meta.url).href;
  const program = `
    import { readSync, writeSync } from "node:fs";
    import { pipe, waitReadableWithin } from ${JSON.stringify(index)};
    const [readFd, writeFd] = pipe();
    writeSync(writeFd, "x");
    const within = (limitMs) => waitReadableWithin(readFd, { limitMs, timeoutError: () => new Error(limitMs + " ms") });
    await within(60_000);
    readSync(readFd, Buffer.alloc(1));
    console.log(await within(50).catch(({ message }) => message));`;
  const { stdout, signal } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
    encoding: "utf8",
    timeout: 20_000,
  });
  expect({ stdout, signal }).toEqual({ stdout: "50 ms\n", signal: null });
});

test("an event that comes for one who gave up is none for who waits next", async () => {
  using opened = openPipes(2);
  const [one = { readFd: -1, writeFd: -1 }, other = { readFd: -1, writeFd: -1 }] = opened.pipes;
  for (const [first, second] of [
    [one, other],
    [other, one],
  ] as const) {
    const round = new AbortController();
    const waits = [waitReadable(first.readFd, round.signal), waitReadable(second.readFd, round.signal)];
    for (const { writeFd } of [first, second]) writeSync(writeFd, "x");
    stand(50);
    await Promise.race(waits);
    round.abort();
    await Promise.allSettled(waits);
    for (const { readFd } of [first, second]) readSync(readFd, Buffer.alloc(1));
    for (const { readFd, writeFd } of [second, first]) {
      let isReadable = false;
      const waiting = waitReadable(readFd).then(() => {
        isReadable = true;
      });
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(isReadable).toBe(false);
      writeSync(writeFd, "x");
      await waiting;
      readSync(readFd, Buffer.alloc(1));
    }
  }
});
