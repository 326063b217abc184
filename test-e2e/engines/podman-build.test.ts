import { describe, expect } from "vitest";
import { openFlows } from "./harness/flow.ts";
import { image, machineReasons, openPodmanScene, Podman } from "./harness/podman.ts";

const flow = openFlows({
  openScene: openPodmanScene,
  openEngine: async (scene, runtime) => new Podman(scene, runtime),
  machineReasons,
});

const containerfile = `FROM ${image}
ENV COLOUR=blue
WORKDIR /work
COPY given .
RUN cat given > made && echo "$COLOUR" >> made && id -u >> made
RUN --mount=type=tmpfs,target=/scratch --mount=type=cache,target=/cache touch /scratch/a /cache/b
USER visitor
RUN id -un > /tmp/who && ! touch /root/made
CMD ["sh", "-c", "cat /work/made /tmp/who; ls /scratch 2> /dev/null; true"]
`;

async function writeContext(podman: Podman): Promise<string> {
  const directory = `${podman.scene.directory}/${podman.name()}`;
  await podman.scene.writeFile(`${directory}/Containerfile`, containerfile);
  await podman.scene.writeFile(`${directory}/given`, "from the context\n");
  return directory;
}

const built = "from the context\nblue\n0\nvisitor";

describe("podman build", () => {
  flow("runs each RUN in a container, and the image runs", async (podman) => {
    const tag = `localhost/${podman.name()}`;
    await podman.print(["build", "--network=none", "--isolation=oci", `--tag=${tag}`, await writeContext(podman)]);
    expect(await podman.print(["run", "--rm", tag])).toBe(built);
    await podman.print(["rmi", tag]);
  });

  flow("ends where a RUN fails, and says what it said", async (podman) => {
    const directory = await writeContext(podman);
    await podman.scene.writeFile(`${directory}/Containerfile`, `FROM ${image}\nRUN echo the reason >&2; exit 9\n`);
    const result = await podman.invoke(["build", "--network=none", "--isolation=oci", directory]);
    expect(result.status).toBe(9);
    expect(result.stderr).toContain("the reason");
  });
});

describe("buildah", () => {
  const of = (podman: Podman, ...args: string[]) => podman.scene.succeed(["buildah", ...args]);

  flow("bud --runtime builds, with the limits it is given", async (podman) => {
    const tag = `localhost/${podman.name()}`;
    const options = [
      `--runtime=${podman.runtime.path}`,
      "--isolation=oci",
      "--network=none",
      "--memory=64m",
      "--cap-drop=all",
    ];
    const directory = await writeContext(podman);
    const file = `FROM ${image}\nRUN grep CapEff /proc/self/status > /tmp/made\n`;
    await podman.scene.writeFile(`${directory}/Containerfile`, file);
    await of(podman, "bud", ...options, `--tag=${tag}`, directory);
    expect(await podman.print(["run", "--rm", tag, "cat", "/tmp/made"])).toBe(`CapEff:\t${"0".repeat(16)}`);
    await podman.print(["rmi", tag]);
  });

  flow("run executes a command in a working container", async (podman) => {
    const name = podman.name();
    await of(podman, "from", `--name=${name}`, image);
    const run = [`--runtime=${podman.runtime.path}`, "--isolation=oci", "--network=none"];
    const { stdout } = await of(
      podman,
      "run",
      ...run,
      "--user=visitor",
      name,
      "--",
      "sh",
      "-c",
      "id -un; pwd; ls /proc/self/fd | wc -l",
    );
    // ls holds the directory that it reads as one more: nothing of buildah's own is left open.
    expect(stdout).toBe("visitor\n/\n4\n");
    const failed = await podman.scene.run(["buildah", "run", ...run, name, "--", "sh", "-c", "exit 3"]);
    expect(failed.status).toBe(3);
    await of(podman, "rm", name);
  });

  flow("run --tty has a terminal", async (podman) => {
    const name = podman.name();
    await of(podman, "from", `--name=${name}`, image);
    const run = ["buildah", "run", `--runtime=${podman.runtime.path}`, "--isolation=oci", "--network=none", "--tty"];
    const person = podman.scene.atTerminal([...run, name, "--", "sh", "-c", "tty; exit 4"], { rows: 24, columns: 80 });
    expect(await person.status).toBe(4);
    expect(person.screen).toContain("/dev/pts/0");
    await of(podman, "rm", name);
  });
});
