import { expect } from "vitest";
import { openFlows } from "./harness/flow.ts";
import { image, machineReasons, openPodmanScene, Podman } from "./harness/podman.ts";

const flow = openFlows({
  openScene: openPodmanScene,
  openEngine: async (scene, runtime) => new Podman(scene, runtime),
  machineReasons,
});

flow("run prints what the container prints, and ends as it ends", async (podman) => {
  const result = await podman.invoke([
    "run",
    "--rm",
    "--network=none",
    image,
    "sh",
    "-c",
    "echo seen; echo heard >&2; exit 42",
  ]);
  expect(result).toMatchObject({ status: 42, stdout: "seen\n", stderr: "heard\n" });
});
