import { join } from "node:path";
import { expect, test } from "vitest";
import { openContainerdScene } from "./harness/containerd.ts";
import { daemonConfig, openDockerScene } from "./harness/docker.ts";
import { copyRunlet } from "./harness/installation.ts";
import { ManualSection } from "./harness/manual.ts";
import { Scene } from "./harness/scene.ts";

/** A scene waits for those of other files that use the same engine. */
const timeout = { timeout: 7_200_000 };

test("the page's commands install runlet, which runs", timeout, async () => {
  const scene = await Scene.open({ name: "install", lockPath: import.meta.filename, empty: [], controlGroups: [] });
  try {
    const repository = join(scene.directory, "repository");
    copyRunlet(join(repository, "dist"));
    const [commands = "", ...others] = new ManualSection("Installing").blocks("sh");
    expect(others).toEqual([]);
    const { stdout } = await scene.succeed(["sh", "-euc", commands], { cwd: repository });
    expect(stdout).toMatch(/^runlet version .*\n(.*\n)*quickjs: /);
    const found = await scene.succeed(["sh", "-c", "command -v runlet; stat -c %a:%n /usr/local/bin/runlet*"]);
    expect(found.stdout.trim().split("\n").sort()).toEqual([
      "/usr/local/bin/runlet",
      "644:/usr/local/bin/runlet.node",
      "755:/usr/local/bin/runlet",
      "755:/usr/local/bin/runlet-bun",
      "755:/usr/local/bin/runlet-init",
    ]);
  } finally {
    await scene.close();
  }
});

test("the page's commands for containerd do what they say, one after the other", timeout, async () => {
  const { scene, socketPath, archive } = await openContainerdScene();
  try {
    await scene.succeed(["cp", archive, "/tmp/image.tar"]);
    const printed: string[] = [];
    for (const commands of new ManualSection("containerd").blocks("sh")) {
      const options = { cwd: "/tmp", env: { CONTAINERD_ADDRESS: socketPath } };
      printed.push((await scene.succeed(["sh", "-euc", commands], options)).stdout);
    }
    const [use = "", look = ""] = printed;
    expect(use).toMatch(
      /^unpacking localhost\/machine:latest .*\.\.\.done\nhello\nuid=0\(root\)[^\n]*\nID +TIMESTAMP/m,
    );
    expect(look).toMatch(/^ID +PID +STATUS +BUNDLE +CREATED +OWNER\nworker +\d+ +running /);
    expect(look).toContain('"status": "running"');
    expect(printed).toHaveLength(2);
  } finally {
    await scene.close();
  }
});

test("the page's configuration and commands for Docker do what they say, one after the other", timeout, async () => {
  const { scene } = await openDockerScene();
  try {
    const section = new ManualSection("Docker");
    const [configuration = ""] = section.blocks("json");
    // Beside what it says about runtimes, the daemon keeps what the scene has told it.
    const merged = { ...daemonConfig("runc"), ...(JSON.parse(configuration) as object) };
    await scene.writeFile("/etc/docker/daemon.json", JSON.stringify(merged));
    const printed: string[] = [];
    for (const commands of section.blocks("sh"))
      printed.push((await scene.succeed(["sh", "-euc", commands], { cwd: "/tmp" })).stdout);
    expect(printed[0]).toMatch(/^hello\n[0-9a-f]{64}\nworker\nuid=0\(root\)[^\n]*\nworker\nworker\n$/);
    expect(printed).toHaveLength(2);
    const version = await scene.succeed(["runc", "--version"]);
    expect(version.stdout).toMatch(/^runc version .*\n(.*\n)*quickjs: /);
  } finally {
    await scene.close();
  }
});
