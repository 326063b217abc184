import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { isRunletError } from "@runlet/errors";
import { RootDirectory } from "@runlet/rootfs";
import type { ImageConfig, ImageConfiguration } from "@runlet/spec";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { put, temporaryDirectory } from "../../test/temporary.ts";
import { createImageSpec, filesOf, type ImageOverrides } from "./image-spec.ts";
import { lookUpUser } from "./user-lookup.ts";

const passwd = [
  "# comment",
  "root:x:0:0:root:/root:/bin/sh",
  "broken line",
  "daemon:x:1:1::/:",
  "web:x:101:82:web:/srv:/bin/sh",
  "1234:x:77:77::/:",
  "huge:x:4294967296:1::/:",
].join("\n");
const group = ["root:x:0:root", "bin:x:1:root,daemon", "www:x:82:", "logs:x:300: web , daemon", "www2:x:82:web"].join(
  "\n",
);

function tree(): string {
  const hostPath = temporaryDirectory();
  put(hostPath, "etc/passwd", passwd);
  put(hostPath, "etc/group", group);
  return hostPath;
}

function files(hostPath = tree()) {
  const root = RootDirectory.open(hostPath);
  onTestFinished(() => root.close());
  return filesOf(root);
}

function specOf(config: ImageConfig, more: { overrides?: ImageOverrides; image?: Partial<ImageConfiguration> } = {}) {
  const configuration: ImageConfiguration = {
    os: "linux",
    architecture: "arm64",
    rootfs: { type: "layers", diff_ids: [] },
    config: { Cmd: ["sh"], ...config },
    ...more.image,
  };
  return createImageSpec({ configuration, files: files(), overrides: more.overrides });
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (isRunletError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("User", () => {
  test.each([
    ["", { uid: 0, gid: 0, additionalGids: [1] }],
    ["root", { uid: 0, gid: 0, additionalGids: [1] }],
    ["0", { uid: 0, gid: 0 }],
    ["web", { uid: 101, gid: 82, additionalGids: [300] }],
    ["web:logs", { uid: 101, gid: 300 }],
    ["web:5", { uid: 101, gid: 5 }],
    ["101", { uid: 101, gid: 82 }],
    ["101:www", { uid: 101, gid: 82 }],
    ["5000", { uid: 5000, gid: 0 }],
    ["5000:6000", { uid: 5000, gid: 6000 }],
    // A number is a uid, also where a name is the same digits.
    ["1234", { uid: 1234, gid: 0 }],
    [":82", { uid: 0, gid: 82 }],
    ["4294967294", { uid: 4294967294, gid: 0 }],
  ])("%j", (text, user) => {
    expect(lookUpUser(text, files())).toEqual(user);
  });

  test.each([
    ["nobody", 'there is no user "nobody"'],
    ["web:nogroup", 'there is no group "nogroup"'],
    ["web:", "a user is written as"],
    ["1:2:3", "a user is written as"],
    ["huge", 'there is no user "huge"'],
    ["4294967295", "there is no such uid"],
    ["0:4294967296", "there is no such gid"],
    ["-1", 'there is no user "-1"'],
  ])("%j is refused", (text, reason) => {
    expect(codeOf(() => lookUpUser(text, files()))).toContain(reason);
    expect(codeOf(() => lookUpUser(text, files()))).toMatch(/^ERR_RUNLET_IMAGE: /);
  });

  test("names are the container's, whatever its links say of the host", () => {
    const hostPath = temporaryDirectory();
    const outside = put(temporaryDirectory(), "passwd", "outsider:x:7:7::/:\n");
    mkdirSync(join(hostPath, "etc"));
    symlinkSync(outside, join(hostPath, "etc/passwd"));
    symlinkSync("../".repeat(20) + outside.slice(1), join(hostPath, "etc/group"));
    expect(existsSync(join(hostPath, "etc/passwd"))).toBe(true);
    expect(codeOf(() => lookUpUser("outsider", files(hostPath)))).toContain("there is no user");
  });

  test("account files of any size are not read", () => {
    const hostPath = temporaryDirectory();
    put(hostPath, "etc/passwd", Buffer.alloc((4 << 20) + 1));
    expect(codeOf(() => lookUpUser("web", files(hostPath)))).toContain("more than 4194304");
  });

  test("an image without account files has numbers", () => {
    const hostPath = temporaryDirectory();
    expect(lookUpUser("", files(hostPath))).toEqual({ uid: 0, gid: 0 });
    expect(lookUpUser("7:8", files(hostPath))).toEqual({ uid: 7, gid: 8 });
  });
});

describe("process", () => {
  test("Entrypoint, then Cmd", () => {
    expect(specOf({ Entrypoint: ["/init", "-v"], Cmd: ["run"] }).process?.args).toEqual(["/init", "-v", "run"]);
    expect(specOf({ Entrypoint: ["/init"], Cmd: [] }).process?.args).toEqual(["/init"]);
  });

  test("what the caller gives takes their place", () => {
    const config = { Entrypoint: ["/init"], Cmd: ["run"] };
    const argsOf = (overrides: ImageOverrides) => specOf(config, { overrides }).process?.args;
    expect(argsOf({ args: ["stop"] })).toEqual(["/init", "stop"]);
    expect(argsOf({ entrypoint: ["/bin/sh"] })).toEqual(["/bin/sh"]);
    expect(argsOf({ entrypoint: [], args: ["ls"] })).toEqual(["ls"]);
  });

  test("an image without a command needs one", () => {
    expect(codeOf(() => specOf({ Cmd: [] }))).toBe("ERR_RUNLET_IMAGE: the image does not say what it executes");
  });

  test("Env is kept, the caller's replaces by name, a PATH is added where there is none", () => {
    const Env = ["A=1", "PATH=/bin", "B=2"];
    expect(specOf({ Env }).process?.env).toEqual(Env);
    expect(specOf({ Env }, { overrides: { env: ["A=3", "C=4"] } }).process?.env).toEqual([
      "A=3",
      "PATH=/bin",
      "B=2",
      "C=4",
    ]);
    expect(specOf({}).process?.env?.[0]).toMatch(/^PATH=.*:\/bin$/);
    expect(specOf({ Env: ["TERM=dumb"] }, { overrides: { terminal: true } }).process?.env).toContain("TERM=dumb");
  });

  test.each([
    [undefined, "/"],
    ["", "/"],
    ["/srv", "/srv"],
    ["srv/web", "/srv/web"],
  ])("WorkingDir %j", (WorkingDir, cwd) => {
    expect(specOf(WorkingDir === undefined ? {} : { WorkingDir }).process?.cwd).toBe(cwd);
  });

  test("the caller's cwd, user, mounts and hostname", () => {
    // An ordinary user has no other ids to give.
    const euid = vi.spyOn(process, "geteuid").mockReturnValue(0);
    onTestFinished(() => euid.mockRestore());
    const mount = { destination: "/data", type: "tmpfs", source: "tmpfs" };
    const overrides = { cwd: "/tmp", user: "web:logs", hostname: "h", mounts: [mount], readonly: true };
    const spec = specOf({ WorkingDir: "/srv", User: "nobody", Volumes: { "/data/": {} } }, { overrides });
    expect(spec.process).toMatchObject({ cwd: "/tmp", user: { uid: 101, gid: 300 } });
    expect(spec.hostname).toBe("h");
    expect(spec.root?.readonly).toBe(true);
    expect(spec.mounts?.filter(({ destination }) => destination.startsWith("/data"))).toEqual([mount]);
  });

  test("the root filesystem can be written to", () => {
    expect(specOf({}).root?.readonly).toBe(false);
  });
});

describe("annotations", () => {
  const image = {
    author: "somebody",
    created: "2024-01-01T00:00:00Z",
    variant: "v8",
    "os.version": "1",
    "os.features": ["a", "b"],
  };
  const implied = {
    "org.opencontainers.image.os": "linux",
    "org.opencontainers.image.architecture": "arm64",
    "org.opencontainers.image.variant": "v8",
    "org.opencontainers.image.os.version": "1",
    "org.opencontainers.image.os.features": "a,b",
    "org.opencontainers.image.author": "somebody",
    "org.opencontainers.image.created": "2024-01-01T00:00:00Z",
    "org.opencontainers.image.stopSignal": "SIGINT",
    "org.opencontainers.image.exposedPorts": "80/tcp,53/udp",
  };
  const config = { StopSignal: "SIGINT", ExposedPorts: { "80/tcp": {}, "53/udp": {} } };

  test("every field has its own", () => {
    expect(specOf(config, { image: { ...image, config: { Cmd: ["x"], ...config } } }).annotations).toEqual(implied);
  });

  test("labels take precedence", () => {
    const Labels = { "org.opencontainers.image.author": "label", mine: "1" };
    const spec = specOf({}, { image: { ...image, config: { Cmd: ["x"], ...config, Labels } } });
    expect(spec.annotations).toEqual({ ...implied, ...Labels });
  });
});

describe("Volumes", () => {
  test("are a tmpfs with the directory's content, owner and mode", () => {
    const mounts = specOf({ Volumes: { "/etc": {}, "/new": {} } }).mounts ?? [];
    const optionsOf = (destination: string) => mounts.find((mount) => mount.destination === destination)?.options;
    const owner = process.geteuid?.() === 0 ? ["uid=0", "gid=0"] : [];
    expect(optionsOf("/etc")).toEqual(["nosuid", "nodev", "mode=755", ...owner, "tmpcopyup"]);
    expect(optionsOf("/new")).toEqual(["nosuid", "nodev", "mode=755", ...owner, "tmpcopyup"]);
  });

  test.each(["/", "", "//", "/..", "a/.."])("%j would hide everything, and is refused", (containerPath) => {
    expect(() => specOf({ Volumes: { [containerPath]: {} } })).toThrow(
      expect.objectContaining({ code: "ERR_RUNLET_IMAGE", message: expect.stringContaining("its whole root") }),
    );
  });

  test("are what the caller makes of them", () => {
    const configuration: ImageConfiguration = {
      os: "linux",
      architecture: "amd64",
      rootfs: { type: "layers", diff_ids: [] },
      config: { Cmd: ["sh"], Volumes: { "/a": {}, b: {} } },
    };
    const seen: string[] = [];
    const volume = (containerPath: string) => {
      seen.push(containerPath);
      return containerPath === "/a" ? { destination: "/a", type: "none", source: "/x", options: ["bind"] } : undefined;
    };
    const { mounts } = createImageSpec({ configuration, files: files(), volume });
    expect(seen).toEqual(["/a", "/b"]);
    expect(mounts?.filter(({ destination }) => ["/a", "/b"].includes(destination))).toHaveLength(1);
  });
});
