import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import type { Bundle, Config } from "../harness/bundle.ts";
import { Canary } from "../harness/canary.ts";
import { racerPath } from "../harness/programs.ts";
import { openSuite } from "../harness/suite.ts";

// The releases of the peers that distributions have lose some of these races.
const e2e = openSuite({ root: true, runtime: ["runlet"] });
const { test } = e2e;

/** As many containers as are made in this time meet the racer; what must not happen must not happen in any. */
const racingMs = 4000;

/** Swaps two paths of a rootfs until it is disposed of. */
async function race(one: string, other: string): Promise<AsyncDisposable> {
  const racer = spawn(racerPath, [one, other], { stdio: ["ignore", "pipe", "inherit"] });
  const [isRacing] = await Promise.race([once(racer.stdout, "data"), once(racer, "close").then(() => [])]);
  if (isRacing === undefined) throw new Error(`the racer ended: ${racer.exitCode ?? racer.signalCode}`);
  return {
    async [Symbol.asyncDispose]() {
      expect(racer.exitCode).toBeNull();
      racer.kill("SIGKILL");
      await once(racer, "close");
    },
  };
}

describe("a directory of the rootfs that is swapped for a link all the while", () => {
  const tries = Array.from({ length: 20 }, (_, index) => index);
  const uses: [title: string, use: (config: Config, source: string) => void][] = [
    [
      "CVE-2021-30465: nothing is made to be mounted on where the link leads",
      (config, source) => {
        for (const index of tries)
          config.mounts.push({ destination: `/swapped/mount-${index}`, type: "bind", source, options: ["bind"] });
      },
    ],
    [
      "CVE-2024-45310: no working directory is made where the link leads",
      (config) => {
        config.process.cwd = "/swapped/made/here";
      },
    ],
    [
      "CVE-2025-24965: no device is made where the link leads",
      (config) => {
        config.linux.devices = tries.map((index) => ({
          ...{ path: `/swapped/made-${index}/null`, type: "c", major: 1, minor: 3, fileMode: 0o666, uid: 0, gid: 0 },
        }));
      },
    ],
  ];

  for (const [index, [title, use]] of uses.entries()) {
    test(title, async () => {
      const canary = new Canary(e2e.directory, `canary-${index}`);
      const source = join(e2e.directory, `source-${index}`);
      mkdirSync(source);
      writeFileSync(join(source, "mine"), "");
      const rootfs = ({ rootfs: directory }: Bundle, name: string) => join(directory, name);
      const bundle = e2e.bundle((config, made) => {
        config.root.readonly = false;
        made.add({ "swapped/": "" });
        symlinkSync(canary.from(made, ""), rootfs(made, "link"));
        use(config, source);
      });
      bundle.probing("pid");
      await using _ = await race(rootfs(bundle, "swapped"), rootfs(bundle, "link"));
      let hasRun = false;
      // It may well be refused; a bundle that always is says nothing.
      for (const deadline = Date.now() + racingMs; Date.now() < deadline || !hasRun; ) {
        const { status } = await e2e.run(bundle);
        hasRun ||= status === 0;
        canary.check();
      }
    });
  }
});
