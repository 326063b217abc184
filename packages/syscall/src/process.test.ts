import { spawnSync } from "node:child_process";
import { closeSync, constants, fstatSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { closeFd } from "./file.ts";
import { openPath } from "./path.ts";
import { openPidfd, startHelper, waitPidfd } from "./process.ts";
import { receiveMessage, SOCK_SEQPACKET, socketpair } from "./socket.ts";
import { waitReadable } from "./watch.ts";

describe("openPidfd", () => {
  it("opens a process", () => {
    const fd = openPidfd(process.pid);
    expect(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")).toMatch(new RegExp(`^Pid:\\t${process.pid}$`, "m"));
    closeSync(fd);
  });

  it("says that there is none where a thread has the id", () => {
    const thread = readdirSync("/proc/self/task")
      .map(Number)
      .find((id) => id !== process.pid);
    expect(thread).toBeGreaterThan(0);
    expect(() => openPidfd(thread ?? 0)).toThrow(expect.objectContaining({ code: "ESRCH" }));
  });

  it("says that there is none where only the session that it led still has the id", () => {
    const script = "sleep 1000 > /dev/null 2>&1 & echo $$ $!";
    const { stdout } = spawnSync("setsid", ["sh", "-c", script], { encoding: "utf8" });
    const [leader = 0, other = 0] = stdout.split(" ").map(Number);
    try {
      expect(readFileSync(`/proc/${other}/stat`, "utf8")).toContain(` ${leader} ${leader} `);
      expect(() => openPidfd(leader)).toThrow(expect.objectContaining({ code: "ESRCH" }));
    } finally {
      process.kill(other, "SIGKILL");
    }
  });

  it("says that an id is none", () => {
    expect(() => openPidfd(-1)).toThrow(expect.objectContaining({ code: "EINVAL" }));
  });
});

describe("startHelper", () => {
  function openFds() {
    const [ourFd, theirFd] = socketpair(SOCK_SEQPACKET);
    const nullFd = openPath("/dev/null", constants.O_RDWR);
    return { ourFd, nullFd, theirFd, fds: [nullFd, nullFd, nullFd, theirFd] };
  }

  const isClosed = (fd: number) => expect(() => fstatSync(fd)).toThrow(expect.objectContaining({ code: "EBADF" }));

  it("gives the child to whoever asks while it starts, and to whoever asks later", async () => {
    const { ourFd, nullFd, theirFd, fds } = openFds();
    const starting = startHelper({ fds, cloneFlags: 0 });
    const child = await starting.started();
    expect(starting.childIfStarted()).toEqual(child);
    expect(await starting.started()).toEqual(child);
    isClosed(theirFd);
    // The other end is the helper's alone: it ends with ours.
    expect(receiveMessage(ourFd, 16)).toBeNull();
    closeFd(ourFd);
    await waitReadable(child.pidfd);
    expect(waitPidfd(child.pidfd)).not.toBeNull();
    closeFd(child.pidfd);
    closeFd(nullFd);
  });

  it("gives a child that nobody has waited for", async () => {
    const { ourFd, nullFd, fds } = openFds();
    const starting = startHelper({ fds, cloneFlags: 0 });
    while (starting.childIfStarted() === null) await new Promise((resolve) => setTimeout(resolve, 1));
    // Behind the end of the work on the other thread.
    await new Promise((resolve) => setTimeout(resolve, 20));
    const child = await starting.started();
    closeFd(ourFd);
    await waitReadable(child.pidfd);
    expect(waitPidfd(child.pidfd)).not.toBeNull();
    closeFd(child.pidfd);
    closeFd(nullFd);
  });

  const CLONE_FS = 0x200;
  const CLONE_NEWNS = 0x20000;

  it.each([
    ["flags that exclude each other", { cloneFlags: CLONE_FS | CLONE_NEWNS, count: 0, code: "EINVAL" }],
    ["too many descriptors", { cloneFlags: 0, count: 5000, code: "E2BIG" }],
  ] as const)("says why there is no child: %s", async (_, { cloneFlags, count, code }) => {
    const { ourFd, nullFd, theirFd, fds } = openFds();
    const starting = startHelper({ fds: [...Array<number>(count).fill(nullFd), ...fds], cloneFlags });
    await expect(starting.started()).rejects.toMatchObject({ syscall: "clone3", code });
    expect(starting.childIfStarted()).toBeNull();
    isClosed(theirFd);
    closeFd(ourFd);
    closeFd(nullFd);
  });
});
