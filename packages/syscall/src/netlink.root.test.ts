import { execFileSync, spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readlinkSync } from "node:fs";
import { expect, test } from "vitest";
import { decodeAttributes, NetlinkSocket, NLM_F_DUMP } from "./netlink.ts";

const RTM_GETLINK = 18;
const structureBytes = 16;

test("a socket in another network namespace sees its devices, and no thread of this process stays there", async () => {
  const child = spawn("unshare", ["--net", "sh", "-c", "echo in; exec sleep 60"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  try {
    await new Promise((resolve) => child.stdout.once("data", resolve));
    const namespaceFd = openSync(`/proc/${child.pid}/ns/net`, "r");
    const before = readlinkSync("/proc/self/ns/net");
    try {
      using socket = new NetlinkSocket(namespaceFd);
      const links = socket.request({ type: RTM_GETLINK, flags: NLM_F_DUMP, payload: new Uint8Array(structureBytes) });
      expect(links.map(({ payload }) => decodeAttributes(payload, structureBytes).get(3)?.toString())).toEqual([
        new TextEncoder().encode("lo\0").toString(),
      ]);
    } finally {
      closeSync(namespaceFd);
    }
    const namespaces = readdirSync("/proc/self/task").map((thread) => readlinkSync(`/proc/self/task/${thread}/ns/net`));
    expect(new Set(namespaces)).toEqual(new Set([before]));
    expect(execFileSync("readlink", ["/proc/self/ns/net"], { encoding: "utf8" }).trim()).toBe(before);
  } finally {
    child.kill("SIGKILL");
  }
});
