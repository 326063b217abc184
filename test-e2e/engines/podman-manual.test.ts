import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openPodmanScene } from "./harness/podman.ts";
import type { Scene } from "./harness/scene.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/engines.md"), "utf8");
const section = /^## Podman\n(.*?)^## /ms.exec(page)?.[1] ?? "";

/** The blocks of one language, in their order. */
function blocks(language: string): string[] {
  return [...section.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms"))].map(([, text = ""]) => text);
}

let scene: Scene | undefined;

beforeAll(async () => {
  scene = await openPodmanScene();
});
afterAll(async () => {
  await scene?.close();
});

test("the page's configuration and commands do what they say, one after the other", async () => {
  if (scene === undefined) throw new Error("there is no scene");
  const [file = ""] = /\/etc\/containers\/\S+\.conf/.exec(section) ?? [];
  const [configuration = ""] = blocks("toml");
  await scene.writeFile(file, configuration);
  const printed: string[] = [];
  for (const commands of blocks("sh")) {
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
