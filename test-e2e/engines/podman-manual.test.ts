import { afterAll, beforeAll, expect, test } from "vitest";
import { ManualSection } from "./harness/manual.ts";
import { openPodmanScene } from "./harness/podman.ts";
import type { Scene } from "./harness/scene.ts";

const section = new ManualSection("Podman");

let scene: Scene | undefined;

beforeAll(async () => {
  scene = await openPodmanScene();
});
afterAll(async () => {
  await scene?.close();
});

test("the page's configuration and commands do what they say, one after the other", async () => {
  if (scene === undefined) throw new Error("there is no scene");
  const [file = ""] = /\/etc\/containers\/\S+\.conf/.exec(section.text) ?? [];
  const [configuration = ""] = section.blocks("toml");
  await scene.writeFile(file, configuration);
  const printed: string[] = [];
  for (const commands of section.blocks("sh")) {
    const { stdout } = await scene.succeed(["sh", "-euc", commands], { cwd: "/tmp" });
    printed.push(stdout);
  }
  const [first = "", second = "", third = ""] = printed;
  expect(first).toMatch(/^runlet \/usr\/local\/bin\/runlet\nhello\n[0-9a-f]{64}\nuid=0\(root\)/);
  expect(second).toMatch(/^ID +PID +STATUS +BUNDLE +CREATED +OWNER\n[0-9a-f]{64} +\d+ +running /m);
  expect(second).toContain('"status": "running"');
  expect(third).toMatch(/uid=0\(root\) gid=0\(root\)/);
  expect(printed).toHaveLength(3);
});
