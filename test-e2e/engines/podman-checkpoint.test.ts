import { expect } from "vitest";
import { openFlows } from "./harness/flow.ts";
import { machineReasons, openPodmanScene, Podman } from "./harness/podman.ts";

const flow = openFlows({
  openScene: openPodmanScene,
  openEngine: async (scene, runtime) => new Podman(scene, runtime),
  machineReasons,
});

/** Counts on, so that one who goes on can be told from one who begins again. */
const counter = ["sh", "-c", "n=0; while :; do n=$((n + 1)); echo count $n; sleep 0.2; done"] as const;

function lastCount(log: string): number {
  return Number(/count (\d+)\s*$/.exec(log)?.[1]);
}

flow("container checkpoint saves a container and ends it, container restore lets it go on", async (podman) => {
  const name = await podman.runDetached(["--security-opt=seccomp=unconfined"], ...counter);
  await podman.waitForLog(name, "count 3");
  await podman.print(["container", "checkpoint", "--keep", name]);
  expect(await podman.inspect(name, "{{.State.Status}} {{.State.Checkpointed}}")).toBe("exited true");
  const saved = lastCount(await podman.print(["logs", name]));
  await podman.print(["container", "restore", name]);
  expect(await podman.inspect(name, "{{.State.Status}}")).toBe("running");
  await podman.waitForLog(name, `count ${saved + 3}`);
  expect((await podman.print(["logs", name])).match(/^count 1$/gm)).toHaveLength(1);
  await podman.remove(name);
});

flow("container checkpoint --export and restore --import: the container goes on under another name", async (podman) => {
  const archive = `${podman.scene.directory}/${podman.name()}.tar.gz`;
  const name = await podman.runDetached(["--security-opt=seccomp=unconfined"], ...counter);
  await podman.exec(name, "sh", "-c", "echo kept > /made");
  await podman.waitForLog(name, "count 2");
  await podman.print(["container", "checkpoint", "--leave-running", `--export=${archive}`, name]);
  expect(await podman.inspect(name, "{{.State.Status}}")).toBe("running");
  await podman.remove(name);
  const restored = podman.name();
  await podman.print(["container", "restore", `--import=${archive}`, `--name=${restored}`]);
  await podman.waitForLog(restored, "count");
  expect(await podman.exec(restored, "cat", "/made")).toBe("kept");
  await podman.remove(restored);
});
