import { spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { listenUnix, receiveMessage, SOCK_DGRAM, waitReadable } from "@runlet/syscall";
import { beforeAll, describe, expect } from "vitest";
import { DescriptorReceiver } from "../harness/descriptor-receiver.ts";
import { openTestStore } from "../harness/image-store.ts";
import { Observation } from "../harness/observation.ts";
import { Registry } from "../harness/registry.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite({ root: true, runtime: ["runlet"] });
const { test } = e2e;
const image = "example.org/app:1";

let store = "";

beforeAll(async () => {
  store = join(e2e.directory, "store");
  await openTestStore(store, { name: image });
});

/** What comes before the id and the probe's verbs: a container of a bundle, or of an image. */
const kinds: readonly [string, (...verbs: string[]) => { options: string[]; args: string[] }][] = [
  ["a bundle", (...verbs) => ({ options: ["--bundle", e2e.bundle().probing(...verbs).hostPath], args: [] })],
  ["an image", (...verbs) => ({ options: ["--store", store, "--image", image], args: verbs })],
];

/** A service manager: hears what is said at its socket, and that it has heard it. */
class Manager implements Disposable {
  readonly hostPath: string;
  readonly #fd: number;

  constructor(hostPath: string) {
    this.hostPath = hostPath;
    const directoryFd = openSync(dirname(hostPath), "r");
    this.#fd = listenUnix(directoryFd, basename(hostPath), SOCK_DGRAM);
    closeSync(directoryFd);
  }

  async hear(): Promise<string> {
    for (;;) {
      await waitReadable(this.#fd);
      const message = receiveMessage(this.#fd, 4096);
      if (message === null) continue;
      for (const fd of message.fds) closeSync(fd);
      return Buffer.from(message.bytes).toString();
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

for (const [kind, target] of kinds) {
  describe(`run of ${kind}`, () => {
    test("takes the container's word that it is ready to the service manager", async () => {
      using manager = new Manager(join(e2e.directory, `${e2e.id()}.sock`));
      const id = e2e.id();
      const { options, args } = target("notify=READY=1", "wait");
      const command = e2e.runtime.start(["run", ...options, id, ...args], {
        env: { NOTIFY_SOCKET: manager.hostPath },
      });
      expect(await manager.hear()).toBe("READY=1\n");
      expect(await manager.hear()).toMatch(/^MAINPID=\d+\n$/);
      expect(await manager.hear()).toBe("BARRIER=1");
      await e2e.runtime.succeed(["kill", id, "KILL"]);
      expect((await command.ended).status).toBe(137);
    });

    test("--detach ends as soon as it is ready", async () => {
      using manager = new Manager(join(e2e.directory, `${e2e.id()}.sock`));
      const id = e2e.id();
      const { options, args } = target("notify=READY=1", "wait");
      const command = e2e.runtime.start(["run", "--detach", ...options, id, ...args], {
        env: { NOTIFY_SOCKET: manager.hostPath },
      });
      expect(await manager.hear()).toBe("READY=1\n");
      const { pid } = await e2e.runtime.state(id);
      expect(await manager.hear()).toBe(`MAINPID=${pid}\n`);
      expect(await manager.hear()).toBe("BARRIER=1");
      expect((await command.ended).status).toBe(0);
      expect((await e2e.runtime.state(id)).status).toBe("running");
    });

    test("with a service manager that is not there is an error, and leaves nothing", async () => {
      const id = e2e.id();
      const { options, args } = target("hostname");
      for (const detach of [[], ["--detach"]]) {
        const { status, stderr } = await e2e.runtime.invoke(["run", ...detach, ...options, id, ...args], {
          env: { NOTIFY_SOCKET: join(e2e.directory, "nobody.sock") },
        });
        expect([status, stderr]).toEqual([1, expect.stringContaining("cannot connect to NOTIFY_SOCKET")]);
        expect((await e2e.runtime.invoke(["state", id])).stderr).toContain("container does not exist");
      }
    });

    test("hands on what a service manager has passed, and after it what is to be preserved", () => {
      const [first, second] = [join(e2e.directory, "first"), join(e2e.directory, "second")];
      writeFileSync(first, "the first");
      writeFileSync(second, "the second");
      const { options, args } = target("env", "read=/proc/self/fd/3", "read=/proc/self/fd/4", "fds");
      const command = e2e.runtime.argv(["run", "--preserve-fds", "1", ...options, e2e.id(), ...args]);
      const script = `exec 3< ${first} 4< ${second}; export LISTEN_FDS=1 LISTEN_FDNAMES=door LISTEN_PID=$$; exec "$@"`;
      const { status, stdout, stderr } = spawnSync("sh", ["-c", script, "sh", ...command], { encoding: "utf8" });
      expect([status, stderr]).toEqual([0, expect.not.stringContaining("error")]);
      const seen = new Observation(stdout);
      expect(seen.of("env")).toEqual(expect.arrayContaining(["LISTEN_FDS=1", "LISTEN_PID=1", "LISTEN_FDNAMES=door"]));
      expect(seen.of("read=/proc/self/fd/3")).toBe("the first");
      expect(seen.of("read=/proc/self/fd/4")).toBe("the second");
      expect(seen.of("fds")).toEqual([0, 1, 2, 3, 4]);
    });

    test("--keep leaves the ended container", async () => {
      const id = e2e.id();
      const { options, args } = target("exit=4");
      const { status } = await e2e.runtime.invoke(["run", "--keep", ...options, id, ...args]);
      expect([status, (await e2e.runtime.state(id)).status]).toEqual([4, "stopped"]);
    });

    test("--pid-file and --pidfd-socket name the process", async () => {
      const id = e2e.id();
      const pidFile = join(e2e.directory, `${id}.pid`);
      using receiver = new DescriptorReceiver(join(e2e.directory, `${id}.sock`));
      const { options, args } = target("wait");
      const received = receiver.receive();
      await e2e.runtime.succeed([
        ...["run", "--detach", "--pid-file", pidFile, "--pidfd-socket", receiver.hostPath],
        ...[...options, id, ...args],
      ]);
      const { fd } = await received;
      const { pid } = await e2e.runtime.state(id);
      expect(readFileSync(pidFile, "utf8")).toBe(String(pid));
      expect(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")).toMatch(new RegExp(`^Pid:\\t${pid}$`, "m"));
      closeSync(fd);
    });
  });
}

describe("the terminal of a container of an image", () => {
  test("goes to the console socket", async () => {
    const id = e2e.id();
    using receiver = new DescriptorReceiver(join(e2e.directory, `${id}.sock`));
    const received = receiver.receive();
    const options = ["--store", store, "--image", image, "--terminal", "--console-socket", receiver.hostPath];
    await e2e.runtime.succeed(["run", "--detach", ...options, id, "terminal", "wait"]);
    const { fd } = await received;
    await waitReadable(fd);
    closeSync(fd);
    const { stdout } = await e2e.runtime.succeed(["exec", id, "/probe", "stat=/dev/console"]);
    expect(new Observation(stdout).of("stat=/dev/console")).toMatchObject({ type: "c", major: 136 });
  });

  test("needs a console socket where nobody stays to hold it", async () => {
    const options = ["--store", store, "--image", image];
    const detached = await e2e.runtime.invoke(["run", "--detach", "--terminal", ...options, e2e.id()]);
    expect([detached.status, detached.stderr]).toEqual([
      1,
      expect.stringMatching(/cannot allocate tty.*leave --terminal out/),
    ]);
    const socket = join(e2e.directory, "unused.sock");
    const none = await e2e.runtime.invoke(["run", "--console-socket", socket, ...options, e2e.id()]);
    expect([none.status, none.stderr]).toEqual([1, expect.stringMatching(/cannot use console socket.*add --terminal/)]);
  });
});

describe("a registry with TLS and users", () => {
  const user = { name: "jane", password: "s3cret:x" };
  const creds = ["--creds", `${user.name}:${user.password}`];
  const clean = { XDG_CONFIG_HOME: "", XDG_RUNTIME_DIR: "/nonexistent", DOCKER_CONFIG: "", REGISTRY_AUTH_FILE: "" };
  const program = { program: "docker-registry" };

  /** Runs an image of a registry's, with a new store. */
  function runFetched(name: string, ...options: string[]) {
    const fresh = ["--store", join(e2e.directory, e2e.id())];
    return e2e.runtime.invoke(["run", ...fresh, ...options, "--image", name, "--rm", e2e.id(), "hostname"], {
      env: { ...clean, HOME: e2e.directory },
    });
  }

  test("is asked as image pull asks it", program, async () => {
    await using registry = await Registry.start(join(e2e.directory, "closed"), { user, hasTls: true });
    const name = `${registry.host}/private/app:1`;
    const trust = ["--ca-file", registry.certificatePath];
    await e2e.runtime.succeed(["image", "push", "--store", store, ...trust, ...creds, image, name]);

    const authFile = join(e2e.directory, "auth.json");
    const auth = Buffer.from(`${user.name}:${user.password}`).toString("base64");
    writeFileSync(authFile, JSON.stringify({ auths: { [registry.host]: { auth } } }));
    for (const options of [
      [...trust, ...creds],
      ["--tls-verify=false", ...creds],
      [...trust, "--authfile", authFile],
    ]) {
      const { status, stdout, stderr } = await runFetched(name, ...options);
      expect([status, stderr]).toEqual([0, ""]);
      expect(new Observation(stdout).of("hostname")).toBe("runlet");
    }

    const nobody = await runFetched(name, ...trust);
    expect([nobody.status, nobody.stderr]).toEqual([1, expect.stringContaining("wants credentials")]);
    const untrusted = await runFetched(name, ...creds);
    expect([untrusted.status, untrusted.stderr]).toEqual([1, expect.stringContaining("self")]);
  });

  test("has a mirror, which is asked before it", program, async () => {
    await using mirror = await Registry.start(join(e2e.directory, "mirror"));
    await e2e.runtime.succeed(["image", "push", "--store", store, image, `${mirror.host}/cache/demo/app:1`]);
    const options = ["--mirror", `http://${mirror.host}/cache`];
    const { status, stdout, stderr } = await runFetched("registry.invalid/demo/app:1", ...options);
    expect([status, stderr]).toEqual([0, ""]);
    expect(new Observation(stdout).of("hostname")).toBe("runlet");
  });
});
