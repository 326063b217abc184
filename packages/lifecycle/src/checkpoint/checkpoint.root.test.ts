import { spawn } from "node:child_process";
import { closeSync, existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Spec } from "@runlet/spec";
import { pipe } from "@runlet/syscall";
import { describe, expect, it, onTestFinished } from "vitest";
import { busyboxHostPath, makeBundle } from "../../test/bundle.ts";
import { type ImageParts, soundParts, temporaryDirectory, writeImage } from "../../test/criu-image.ts";
import { type FakeCriu, makeFakeCriu } from "../../test/fake-criu.ts";
import type { Container } from "../container.ts";
import { Runtime } from "../runtime.ts";
import { type CriuResponse, requestTypes } from "./criu-message.ts";

const { DUMP, RESTORE, PRE_DUMP, NOTIFY, FEATURE_CHECK, VERSION } = requestTypes;
const version = (major: number, minor: number): CriuResponse => ({
  type: VERSION,
  success: true,
  version: { major, minor, sublevel: 1 },
});
const notification = (script: string): CriuResponse => ({ type: NOTIFY, success: true, notify: { script, pid: 0 } });

/** A CRIU that saves everything. */
function willingCriu(answers: Readonly<Record<number, readonly CriuResponse[]>> = {}): FakeCriu {
  return makeFakeCriu({
    [VERSION]: [version(3, 17)],
    [FEATURE_CHECK]: [{ type: FEATURE_CHECK, success: true, features: { memTrack: true, lazyPages: true } }],
    [DUMP]: [
      notification("pre-dump"),
      notification("network-lock"),
      notification("post-dump"),
      { type: DUMP, success: true },
    ],
    [PRE_DUMP]: [{ type: PRE_DUMP, success: true }],
    ...answers,
  });
}

interface Box {
  readonly runtime: Runtime;
  readonly container: Container;
  readonly bundle: string;
  readonly directory: string;
}

function makeBox(edit?: (spec: Spec) => void): Pick<Box, "runtime" | "bundle" | "directory"> {
  const { root, ...made } = makeBundle(edit);
  return { ...made, runtime: new Runtime({ root }) };
}

async function startBox(edit?: (spec: Spec) => void): Promise<Box> {
  const box = makeBox(edit);
  const container = await box.runtime.create("box", { bundle: box.bundle, stdio: "pipe" });
  onTestFinished(() => container[Symbol.asyncDispose]());
  await container.start();
  return { ...box, container };
}

describe("a checkpoint", () => {
  it("asks CRIU for what the container is, and leaves nothing of it", async () => {
    const { container, runtime, directory } = await startBox(({ mounts }) => {
      mounts?.push({ destination: "/inside", type: "bind", source: "/usr", options: ["bind", "ro"] });
    });
    const criu = willingCriu();
    const { pid } = container;
    await container.checkpoint({ imagePath: join(directory, "images"), criuPath: criu.hostPath, tcpEstablished: true });
    const [asked, request] = criu.requests();
    expect(asked).toEqual({ type: VERSION });
    expect(request).toMatchObject({
      type: DUMP,
      opts: {
        ...{ pid, root: join(directory, "bundle/rootfs"), logFile: "dump.log", logLevel: 4, manageCgroupsMode: 6 },
        ...{ notifyScripts: true, orphanPtsMaster: true, tcpEstablished: true, leaveRunning: false, shellJob: false },
      },
    });
    expect(request?.opts?.extMnt).toContainEqual({ key: "/inside", val: "/inside" });
    expect(request?.opts?.extMnt).toContainEqual({ key: "/proc/keys", val: "/dev/null" });
    expect(request?.opts?.freezeCgroup).toMatch(/^\/sys\/fs\/cgroup\/.*box/);
    const replies = criu.requests().slice(2);
    expect(replies).toEqual(Array.from({ length: 3 }, () => ({ type: NOTIFY, notifySuccess: true })));
    expect(criu.lastCall().args).toEqual(["swrk", "3"]);
    expect(Object.keys(criu.lastCall().env)).toEqual(["PATH"]);
    const links = JSON.parse(readFileSync(join(directory, "images/descriptors.json"), "utf8"));
    expect(links).toEqual(Array.from({ length: 3 }, () => expect.stringMatching(/^pipe:\[\d+\]$/)));
    expect(await runtime.list()).toEqual([]);
  });

  it("names the mount of the socket for a service manager, which the config does not have", async () => {
    const { runtime, bundle, directory } = makeBox();
    const container = await runtime.create("box", { bundle, stdio: "pipe", hasNotifySocket: true });
    onTestFinished(() => container[Symbol.asyncDispose]());
    await container.start();
    const criu = willingCriu();
    await container.checkpoint({ imagePath: join(directory, "images"), criuPath: criu.hostPath });
    expect(criu.requests()[1]?.opts?.extMnt).toContainEqual({ key: "/run/notify", val: "/run/notify" });
  });

  it("leaves the container running when it is told to, or when only the memory is saved", async () => {
    const { container, directory } = await startBox();
    const criu = willingCriu();
    const imagePath = join(directory, "images");
    await container.checkpoint({ imagePath, criuPath: criu.hostPath, leaveRunning: true });
    await container.checkpoint({ imagePath, criuPath: criu.hostPath, preDump: true, parentPath: "../earlier" });
    expect((await container.state()).status).toBe("running");
    const types = criu.requests().map(({ type }) => type);
    expect(types.filter((type) => type !== NOTIFY)).toEqual([VERSION, DUMP, VERSION, FEATURE_CHECK, PRE_DUMP]);
    expect(criu.requests().at(-1)).toMatchObject({ opts: { parentImg: "../earlier", trackMem: true } });
  });

  it("tells by a descriptor when lazy pages are ready", async () => {
    const { container, directory } = await startBox();
    const criu = willingCriu({ [DUMP]: [notification("status-ready"), { type: DUMP, success: true }] });
    const [readFd, statusFd] = pipe();
    const pageServer = { address: "192.0.2.1", port: 9876 };
    const { hostPath: criuPath } = criu;
    await container.checkpoint({
      imagePath: join(directory, "images"),
      criuPath,
      lazyPages: true,
      statusFd,
      pageServer,
    });
    // Its end follows the byte: nobody else holds it.
    expect(readFileSync(readFd)).toEqual(Buffer.from([0]));
    closeSync(readFd);
    expect(criu.requests()[1]).toEqual({ type: FEATURE_CHECK, features: { lazyPages: true } });
    expect(criu.requests()[2]).toMatchObject({ type: DUMP, opts: { lazyPages: true, ps: pageServer } });
  });

  it("names the namespaces that the container has joined", async () => {
    const { container, directory } = await startBox(({ linux }) => {
      Object.assign(linux?.namespaces?.find(({ type }) => type === "network") ?? {}, { path: "/proc/self/ns/net" });
    });
    const criu = willingCriu();
    await container.checkpoint({ imagePath: join(directory, "images"), criuPath: criu.hostPath });
    expect(criu.requests()[1]?.opts?.external).toEqual([`net[${statSync("/proc/self/ns/net").ino}]:extRootNetNS`]);
  });

  it("that CRIU refuses is explained from its log, and the container goes on", async () => {
    const { container, directory } = await startBox();
    const criu = willingCriu({ [DUMP]: [{ type: DUMP, success: false, crErrno: 16 }] });
    const workPath = join(directory, "work");
    const error = await container
      .checkpoint({ imagePath: join(directory, "images"), workPath, criuPath: criu.hostPath })
      .catch((e) => e);
    expect(error).toMatchObject({ code: "ERR_RUNLET_CHECKPOINT", message: 'cannot save container box: "error 16"' });
    expect(error.hint).toContain(join(workPath, "dump.log"));
    expect((await container.state()).status).toBe("running");
  });

  it.each([
    [{}, "CRIU ended without an answer: exit status 3"],
    [{ [VERSION]: [version(3, 14)] }, "CRIU 3.14 is too old, 3.15 or newer is needed"],
    [
      { [VERSION]: [version(3, 17)], [FEATURE_CHECK]: [{ type: FEATURE_CHECK, success: true, features: {} }] },
      "CRIU cannot track changes of memory",
    ],
  ])("with a CRIU that cannot do it is refused", async (answers, message) => {
    const { container, directory } = await startBox();
    const { hostPath: criuPath } = makeFakeCriu(answers);
    await expect(
      container.checkpoint({ imagePath: join(directory, "images"), criuPath, preDump: true }),
    ).rejects.toThrow(message);
    expect((await container.state()).status).toBe("running");
  });

  it("without a CRIU is refused with what to install", async () => {
    const { container, directory } = await startBox();
    const { PATH } = process.env;
    process.env.PATH = directory;
    const error = await container.checkpoint({ imagePath: join(directory, "images") }).catch((e) => e);
    process.env.PATH = PATH;
    expect(error).toMatchObject({
      code: "ERR_RUNLET_CHECKPOINT",
      message: expect.stringContaining("is not installed"),
    });
    expect(error.hint).toContain("install criu");
  });

  it("of a mount whose name CRIU would take apart is refused (CVE-2026-119101)", async () => {
    const { container, directory } = await startBox(({ mounts }) => {
      mounts?.push({ destination: "/x]:/etc", type: "bind", source: "/usr", options: ["bind"] });
    });
    const { hostPath: criuPath } = willingCriu();
    const error = await container.checkpoint({ imagePath: join(directory, "images"), criuPath }).catch((e) => e);
    expect(error).toMatchObject({ code: "ERR_RUNLET_CHECKPOINT", pointer: expect.stringMatching(/^\/mounts\/\d+$/) });
  });

  it("with a parent image somewhere else is refused", async () => {
    const { container, directory } = await startBox();
    const options = { imagePath: join(directory, "images"), parentPath: "/etc" };
    await expect(container.checkpoint(options)).rejects.toThrow("does not lead beside the image");
  });

  it("reads further options for CRIU from the annotation's file only where that is allowed", async () => {
    const { bundle, directory } = makeBundle((spec) => {
      Object.assign(spec, { annotations: { "org.criu.config": "/somewhere/criu.conf" } });
    });
    const asked: (string | undefined)[] = [];
    for (const allowedAnnotations of [[], ["org.criu.config"]]) {
      const criu = willingCriu();
      const runtime = new Runtime({ root: join(directory, "state"), allowedAnnotations });
      const container = await runtime.create("box", { bundle, stdio: "pipe" });
      onTestFinished(() => container[Symbol.asyncDispose]());
      await container.start();
      await container.checkpoint({ imagePath: join(directory, "images"), criuPath: criu.hostPath });
      asked.push(criu.requests()[1]?.opts?.configFile);
    }
    expect(asked).toEqual([undefined, "/somewhere/criu.conf"]);
  });
});

describe("a restore", () => {
  it("of an image that is not the config's is refused before CRIU is asked, and leaves nothing", async () => {
    const { runtime, bundle, directory } = makeBox();
    const imagePath = join(directory, "images");
    writeImage(imagePath, soundParts());
    const criu = willingCriu({ [RESTORE]: [{ type: RESTORE, success: true }] });
    const error = await runtime
      .restore("back", { bundle, imagePath, criuPath: criu.hostPath, stdio: "null" })
      .catch((e) => e);
    expect(error).toMatchObject({
      code: "ERR_RUNLET_CHECKPOINT",
      message: expect.stringMatching(/-1\d?\.img" /),
    });
    expect(criu.requests().map(({ type }) => type)).toEqual([VERSION]);
    expect(await runtime.list()).toEqual([]);
    expect(existsSync(join(directory, "state/back"))).toBe(false);
  });

  it("to an id that is in use is refused, and that container is left alone", async () => {
    const { runtime, bundle, directory, container } = await startBox();
    const imagePath = join(directory, "images");
    writeImage(imagePath, soundParts());
    const { hostPath: criuPath } = willingCriu();
    await expect(runtime.restore("box", { bundle, imagePath, criuPath })).rejects.toMatchObject({
      code: "ERR_RUNLET_EXISTS",
    });
    expect((await container.state()).status).toBe("running");
  });

  it.each<[string, (at: string) => void]>([
    ["that are incomplete", (at) => writeFileSync(join(at, "descriptors.json"), "{")],
    ["with a link among them", (at) => symlinkSync("/etc/passwd", join(at, "pages-1.img"))],
  ])("from images %s is refused", async (_, change) => {
    const { runtime, bundle, directory } = makeBox();
    const imagePath = join(directory, "images");
    writeImage(imagePath, soundParts());
    change(imagePath);
    const { hostPath: criuPath } = willingCriu();
    await expect(runtime.restore("back", { bundle, imagePath, criuPath })).rejects.toMatchObject({
      code: "ERR_RUNLET_CHECKPOINT",
    });
  });

  it("with a profile needs a CRIU that can put it in the place of the image's", async () => {
    const { runtime, bundle, directory } = makeBox();
    const imagePath = join(directory, "images");
    writeImage(imagePath, soundParts());
    const { hostPath: criuPath } = makeFakeCriu({ [VERSION]: [version(3, 15)] });
    await expect(runtime.restore("back", { bundle, imagePath, criuPath, lsmProfile: "apparmor:x" })).rejects.toThrow(
      "--lsm-profile: CRIU 3.15 is too old, 3.16",
    );
  });

  it("of a container without a mount namespace of its own is refused", async () => {
    const { runtime, bundle, directory } = makeBox(({ linux }) => {
      Object.assign(linux ?? {}, { namespaces: [{ type: "pid" }], maskedPaths: [], readonlyPaths: [] });
    });
    const config = JSON.parse(readFileSync(join(bundle, "config.json"), "utf8"));
    writeFileSync(
      join(bundle, "config.json"),
      JSON.stringify({ ...config, mounts: [], hostname: undefined, root: { path: "rootfs" } }),
    );
    const { hostPath: criuPath } = willingCriu();
    await expect(runtime.restore("back", { bundle, imagePath: directory, criuPath })).rejects.toMatchObject({
      code: "ERR_RUNLET_CHECKPOINT",
      pointer: "/linux/namespaces",
    });
  });

  /** A bundle that is what {@link soundParts} says, and the image of it. */
  function makeSound(edit: (parts: ImageParts) => void = () => {}) {
    const box = makeBox((spec) => {
      const types = ["pid", "network", "ipc", "uts", "mount", "cgroup"] as const;
      Object.assign(spec, {
        mounts: [
          { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "nodev", "noexec"] },
          { destination: "/data", type: "bind", source: "/usr", options: ["bind"] },
        ],
        process: { cwd: "/", args: ["/busybox"], user: { uid: 0, gid: 0 }, capabilities: {} },
        root: { path: "rootfs" },
        linux: {
          namespaces: types.map((type) => ({ type })),
          maskedPaths: ["/proc/acpi"],
          readonlyPaths: ["/proc/sys"],
        },
      });
    });
    const imagePath = join(box.directory, "images");
    const parts = soundParts();
    edit(parts);
    writeImage(imagePath, parts);
    return { ...box, imagePath };
  }

  /** Control groups of containers of that id. */
  function groupsOf(id: string): string[] {
    const roots = readdirSync("/sys/fs/cgroup").map((name) => join("/sys/fs/cgroup", name, id));
    return [join("/sys/fs/cgroup", id), ...roots].filter((hostPath) => existsSync(hostPath));
  }

  it("asks CRIU for what the config says; what fails leaves nothing", async () => {
    const { runtime, bundle, directory, imagePath } = makeSound();
    const hooksRun = join(directory, "hooks");
    const config = JSON.parse(readFileSync(join(bundle, "config.json"), "utf8"));
    config.hooks = { createRuntime: [{ path: busyboxHostPath, args: ["busybox", "tee", hooksRun] }] };
    // What CRIU says is the restored process, and which is therefore ended.
    const { pid } = spawn(busyboxHostPath, ["sleep", "1000"], { stdio: "ignore" });
    const criu = willingCriu({
      [RESTORE]: [
        { type: NOTIFY, success: true, notify: { script: "setup-namespaces", pid } },
        { type: RESTORE, success: false, crErrmsg: "Error (criu/mount.c:1): mnt: no way" },
      ],
    });
    const error = await runtime
      .restore("fake-back", { bundle, config, imagePath, criuPath: criu.hostPath, fileLocks: true })
      .catch((e) => e);
    expect(error).toMatchObject({
      code: "ERR_RUNLET_CHECKPOINT",
      message: 'cannot restore container fake-back: "mnt: no way"',
    });
    expect(JSON.parse(readFileSync(hooksRun, "utf8"))).toMatchObject({ id: "fake-back", status: "creating", pid });
    const request = criu.requests().find(({ type }) => type === RESTORE);
    expect(request?.opts).toMatchObject({
      ...{
        root: join(bundle, "rootfs"),
        rstSibling: true,
        evasiveDevices: true,
        fileLocks: true,
        tcpEstablished: false,
      },
      inheritFd: [{ key: "pipe:[7]", fd: 1 }],
    });
    expect(request?.opts?.extMnt).toEqual([
      { key: "/dev/null", val: "/dev/null" },
      { key: "/data", val: "/usr" },
    ]);
    expect(request?.opts?.cgRoot?.some(({ path }) => path?.endsWith("/fake-back"))).toBe(true);
    expect(existsSync(join(bundle, "rootfs/data"))).toBe(true);
    expect(existsSync(join(directory, "state/fake-back"))).toBe(false);
    expect(groupsOf("fake-back")).toEqual([]);
  });

  it("says what is not restored", async () => {
    const { root, bundle, imagePath } = { ...makeSound(), root: temporaryDirectory() };
    const config = JSON.parse(readFileSync(join(bundle, "config.json"), "utf8"));
    config.process.noNewPrivileges = true;
    config.linux.intelRdt = { closID: "guaranteed" };
    const pointers: (string | undefined)[] = [];
    const runtime = new Runtime({ root, onWarning: ({ pointer }) => pointers.push(pointer) });
    const { hostPath: criuPath } = willingCriu();
    await expect(runtime.restore("fake-back", { bundle, config, imagePath, criuPath })).rejects.toThrow();
    expect(pointers).toEqual(["/process/noNewPrivileges", "/linux/intelRdt"]);
  });

  it("gives a directory for the socket of a service manager to a container that had one", async () => {
    const at = "/run/notify";
    const { runtime, bundle, directory, imagePath } = makeSound(({ mounts }) =>
      mounts.push({ type: 17, mountId: 9, parentId: 1, flags: 15, root: "/any", mountPoint: at, externalKey: at }),
    );
    const criu = willingCriu({ [RESTORE]: [{ type: RESTORE, success: false, crErrmsg: "enough" }] });
    const restored = runtime.restore("fake-back", { bundle, imagePath, criuPath: criu.hostPath, stdio: "null" });
    await expect(restored).rejects.toThrow("enough");
    const request = criu.requests().find(({ type }) => type === RESTORE);
    expect(request?.opts?.extMnt).toContainEqual({ key: at, val: join(directory, "state/fake-back/notify") });
    expect(existsSync(join(directory, "state/fake-back"))).toBe(false);
  });

  it("that is broken off leaves nothing", async () => {
    const { runtime, bundle, directory, imagePath } = makeSound();
    const criu = makeFakeCriu({ [VERSION]: [version(3, 17)], [RESTORE]: [] }, { hangsAfter: RESTORE });
    const { hostPath: criuPath } = criu;
    const abort = new AbortController();
    const restored = runtime
      .restore("fake-back", { bundle, imagePath, criuPath, signal: abort.signal })
      .catch((e) => e);
    await expect.poll(() => criu.requests().map(({ type }) => type), { timeout: 20_000 }).toEqual([VERSION, RESTORE]);
    expect(groupsOf("fake-back")).not.toEqual([]);
    expect((await runtime.list()).map(({ id, status }) => [id, status])).toEqual([["fake-back", "creating"]]);
    abort.abort();
    expect(await restored).toMatchObject({ code: "ERR_RUNLET_ABORTED" });
    expect(existsSync(join(directory, "state/fake-back"))).toBe(false);
    expect(groupsOf("fake-back")).toEqual([]);
  });
});
