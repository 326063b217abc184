import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { NamespaceType } from "@runlet/spec";
import { describe, expect } from "vitest";
import type { Bundle, Config } from "../harness/bundle.ts";
import { listMounts } from "../harness/leaks.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;
const mountinfo = "read=/proc/self/mountinfo";

/** The specification's names, and the files of /proc/PID/ns. */
const files = {
  user: "user",
  mount: "mnt",
  pid: "pid",
  network: "net",
  ipc: "ipc",
  uts: "uts",
  cgroup: "cgroup",
  time: "time",
} as const satisfies Record<NamespaceType, string>;

/** Starts a container that waits, and says where its namespaces are. */
async function owner(edit?: (config: Config, bundle: Bundle) => void): Promise<(type: NamespaceType) => string> {
  const id = e2e.id();
  const bundle = e2e.bundle(edit).probing("wait");
  const call = e2e.runtime.start(["run", "--detach", "--bundle", bundle.hostPath, id]);
  expect(await call.ended).toMatchObject({ status: 0 });
  const { pid } = await e2e.runtime.state(id);
  return (type) => `/proc/${pid}/ns/${files[type]}`;
}

/** The config with these namespaces joined, and the rest of its own. */
function joining(config: Config, paths: Partial<Record<NamespaceType, string>>): void {
  const others = (config.linux.namespaces ?? []).filter(({ type }) => paths[type] === undefined);
  const joined = Object.entries(paths).map(([type, path]) => ({ type: type as NamespaceType, path }));
  config.linux.namespaces = [...others, ...joined];
  if (paths.uts !== undefined) delete config.hostname;
}

/** Without what is mounted: a mount namespace that is joined, or the host's, is used as it is. */
function withoutMounts(config: Config): void {
  config.mounts = [];
  config.root.readonly = false;
  delete config.linux.maskedPaths;
  delete config.linux.readonlyPaths;
}

describe("joining by path", () => {
  test("[/linux/namespaces] a mount namespace: the container lives among its mounts, and adds none", {
    runtime: ["runlet"],
  }, async () => {
    const path = await owner();
    const before = readFileSync(`/proc/${path("mount").split("/")[2]}/mountinfo`, "utf8");
    const bundle = e2e.bundle((config, made) => {
      joining(config, { mount: path("mount"), pid: path("pid") });
      withoutMounts(config);
      made.add({ marker: "of the joining root" });
      // What is at a path of the host is not there in the other's namespace: its own root is.
      config.root.path = "/";
    });
    const seen = await e2e.observe(bundle, "readlink=/proc/self/ns/mnt", mountinfo, "stat=/probe", "stat=/marker");
    expect(seen.of("readlink=/proc/self/ns/mnt")).toBe(readlinkSync(path("mount")));
    expect(seen.of("stat=/probe")).toMatchObject({ type: "file" });
    expect(seen.of("stat=/marker")).toEqual({ errno: "ENOENT" });
    expect(readFileSync(`/proc/${path("mount").split("/")[2]}/mountinfo`, "utf8")).toBe(before);
  });

  test("[/linux/namespaces] a cgroup namespace", async () => {
    const path = await owner((config) => {
      config.linux.namespaces = [
        ...(config.linux.namespaces ?? []).filter(({ type }) => type !== "cgroup"),
        { type: "cgroup" },
      ];
    });
    const bundle = e2e.bundle((config) => joining(config, { cgroup: path("cgroup") }));
    const seen = await e2e.observe(bundle, "readlink=/proc/self/ns/cgroup");
    expect(seen.of("readlink=/proc/self/ns/cgroup")).toBe(readlinkSync(path("cgroup")));
  });

  test("[/linux/namespaces] several at once, as the containers of a pod share them", async () => {
    const path = await owner((config) => {
      config.hostname = "pod";
    });
    const shared = ["network", "ipc", "uts"] as const;
    const bundle = e2e.bundle((config) => {
      joining(config, Object.fromEntries(shared.map((type) => [type, path(type)])));
    });
    const verbs = [...shared, "mount", "pid"].map((type) => `readlink=/proc/self/ns/${files[type as NamespaceType]}`);
    const seen = await e2e.observe(bundle, ...verbs, "hostname", "interfaces");
    for (const type of shared) {
      expect(seen.of(`readlink=/proc/self/ns/${files[type]}`)).toBe(readlinkSync(path(type)));
    }
    for (const type of ["mount", "pid"] as const) {
      expect(seen.of(`readlink=/proc/self/ns/${files[type]}`)).not.toBe(readlinkSync(path(type)));
      expect(seen.of(`readlink=/proc/self/ns/${files[type]}`)).not.toBe(readlinkSync(`/proc/self/ns/${files[type]}`));
    }
    expect(seen.of("hostname")).toBe("pod");
    expect(seen.of<Record<string, boolean>>("interfaces").lo).toBe(true);
  });

  test("[/linux/namespaces] all that belong to a user namespace, with it", async () => {
    const mappings = [{ containerID: 0, hostID: 600_000, size: 65_536 }];
    const mapped = (config: Config, bundle: Bundle) => {
      execFileSync("chmod", ["0755", e2e.directory]);
      execFileSync("chown", ["--recursive", "600000:600000", bundle.rootfs]);
      config.linux.namespaces = [...(config.linux.namespaces ?? []), { type: "user" }];
      config.linux.uidMappings = mappings;
      config.linux.gidMappings = mappings;
    };
    const path = await owner(mapped);
    const bundle = e2e.bundle((config, made) => {
      mapped(config, made);
      joining(config, { user: path("user"), network: path("network"), ipc: path("ipc"), pid: path("pid") });
    });
    const types = ["user", "network", "ipc", "pid"] as const;
    const seen = await e2e.observe(bundle, ...types.map((type) => `readlink=/proc/self/ns/${files[type]}`), "ids");
    for (const type of types) {
      expect(seen.of(`readlink=/proc/self/ns/${files[type]}`)).toBe(readlinkSync(path(type)));
    }
    expect(seen.of("ids")).toMatchObject({ uid: 0, gid: 0 });
  });

  test("[/linux/namespaces] nobody in the namespaces that are joined may look into the helper (CVE-2016-9962)", {
    runtime: ["runlet"],
  }, async () => {
    const path = await owner();
    const id = e2e.id();
    const bundle = e2e.bundle((config) => joining(config, { pid: path("pid") })).probing("wait");
    const created = await e2e.runtime.invoke(["create", "--bundle", bundle.hostPath, id]);
    expect(created).toMatchObject({ status: 0 });
    const { pid } = await e2e.runtime.state(id);
    const ptrace = execFileSync(
      "nsenter",
      [
        "--target",
        path("pid").split("/")[2] ?? "",
        "--pid",
        "setpriv",
        "--bounding-set=-sys_ptrace",
        "--inh-caps=-all",
        "sh",
        "-c",
        `readlink /proc/${pid}/exe || echo denied`,
      ],
      { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
    );
    expect(ptrace.trim()).toBe("denied");
  });
});

describe("what cannot be joined", () => {
  for (const type of Object.keys(files) as NamespaceType[]) {
    test(`[/linux/namespaces] the ${type} namespace twice is refused`, { runtime: ["runlet"] }, async () => {
      const bundle = e2e.bundle((config) => {
        const others = (config.linux.namespaces ?? []).filter((namespace) => namespace.type !== type);
        const path = `/proc/self/ns/${files[type]}`;
        config.linux.namespaces = [{ type, path }, ...others, { type }];
      });
      const result = await e2e.run(bundle.probing("ids"));
      expect(result.status).toBe(1);
      expect(result.stdout).toBe("");
      const last = (bundle.config.linux.namespaces?.length ?? 0) - 1;
      expect(result.stderr).toContain(`/linux/namespaces/${last}`);
    });
  }

  test("[/linux/namespaces] a duplicate is refused by everybody", { runtime: ["runlet", "runc"] }, async () => {
    const bundle = e2e.bundle((config) => {
      config.linux.namespaces = [...(config.linux.namespaces ?? []), { type: "ipc" }];
    });
    expect(await e2e.run(bundle.probing("ids"))).toMatchObject({ status: 1, stdout: "" });
  });

  for (const type of ["mount", "pid", "network", "uts", "cgroup", "time"] as const) {
    test(`[/linux/namespaces] a ${type} namespace whose path is of another kind is refused`, {
      runtime: type === "time" ? ["runlet"] : ["runlet", "runc", "crun"],
    }, async () => {
      const bundle = e2e.bundle((config) => joining(config, { [type]: "/proc/self/ns/ipc" }));
      const result = await e2e.run(bundle.probing("ids"));
      expect(result.status).toBe(1);
      expect(result.stdout).toBe("");
    });
  }

  test("[/linux/namespaces] a file that is no namespace is refused", async () => {
    const path = join(e2e.directory, "no-namespace");
    writeFileSync(path, "");
    const result = await e2e.run(e2e.bundle((config) => joining(config, { network: path })).probing("ids"));
    expect(result.status).toBe(1);
    expect(result.stdout).toBe("");
  });

  test("[/linux/namespaces] a relative path is refused", { runtime: ["runlet"] }, async () => {
    const result = await e2e.run(e2e.bundle((config) => joining(config, { ipc: "proc/self/ns/ipc" })).probing("ids"));
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("/path");
    expect(result.stderr).toContain("not absolute");
  });

  test("[/linux/namespaces] a type that nobody knows is refused", async () => {
    const bundle = e2e.bundle((config) => {
      config.linux.namespaces = [...(config.linux.namespaces ?? []), { type: "mind" as NamespaceType }];
    });
    expect(await e2e.run(bundle.probing("ids"))).toMatchObject({ status: 1, stdout: "" });
  });
});

describe("the host's mount namespace", () => {
  test("[/linux/namespaces] without one of its own the container sees the rootfs alone, and mounts nothing", {
    runtime: ["runlet", "crun"],
  }, async () => {
    const before = listMounts(e2e.tag);
    const bundle = e2e.bundle((config, made) => {
      config.linux.namespaces = (config.linux.namespaces ?? []).filter(
        ({ type }) => type !== "mount" && type !== "pid",
      );
      withoutMounts(config);
      made.add({ marker: "of this root", "dev/": "" });
    });
    const seen = await e2e.observe(bundle, "read=/marker", "list=/", "stat=/etc/passwd", "stat=/dev/null", "cwd");
    expect(seen.of("read=/marker")).toBe("of this root");
    expect(seen.of("stat=/etc/passwd")).toEqual({ errno: "ENOENT" });
    expect(seen.of("list=/")).toContain("probe");
    expect(seen.of("stat=/dev/null")).toMatchObject({ type: "c", major: 1, minor: 3 });
    expect(seen.of("cwd")).toBe("/");
    expect(listMounts(e2e.tag)).toEqual(before);
  });

  const refused: [what: string, pointer: string, edit: (config: Config) => void][] = [
    [
      "mounts",
      "/mounts",
      (config) => {
        config.mounts = [{ destination: "/proc", type: "proc", source: "proc" }];
      },
    ],
    [
      "a read-only root",
      "/root/readonly",
      (config) => {
        config.root.readonly = true;
      },
    ],
    [
      "masked paths",
      "/linux/maskedPaths",
      (config) => {
        config.linux.maskedPaths = ["/secret"];
      },
    ],
    [
      "a propagation",
      "/linux/rootfsPropagation",
      (config) => {
        config.linux.rootfsPropagation = "rslave";
      },
    ],
  ];
  for (const [what, pointer, edit] of refused) {
    test(`[/linux/namespaces] ${what} would be the host's, and are refused`, { runtime: ["runlet"] }, async () => {
      const before = listMounts(e2e.tag);
      const bundle = e2e.bundle((config) => {
        config.linux.namespaces = (config.linux.namespaces ?? []).filter(({ type }) => type !== "mount");
        withoutMounts(config);
        edit(config);
      });
      const result = await e2e.run(bundle.probing("ids"));
      expect(result.status).toBe(1);
      expect(result.stdout).toBe("");
      expect(result.stderr).toContain(pointer);
      expect(listMounts(e2e.tag)).toEqual(before);
    });
  }
});
