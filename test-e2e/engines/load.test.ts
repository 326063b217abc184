import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listCgroups } from "../harness/leaks.ts";
import { settlingMs, sleep } from "../harness/patience.ts";
import { cgroupLayout } from "../harness/requirements.ts";
import { type ContainerdScene, openContainerdScene } from "./harness/containerd.ts";
import { Cri, type Pod, type PodContainer } from "./harness/cri.ts";
import { NamespaceMode } from "./harness/cri-messages.ts";
import { peer, type Runtime, subject } from "./harness/flow.ts";

/** How long the load lasts: LOAD_MINUTES, one by default. */
const minutes = Number(process.env.LOAD_MINUTES ?? "1");

/** Containers that are there at the same time, and the pods that they are in. */
const containersAtOnce = 50;
const podsAtOnce = 5;

/** A control group in which containerd, its shims and the runtimes are, and the containers are not: their time is counted. */
const account = {
  directory: join("/sys/fs/cgroup", cgroupLayout === "v2" ? "" : "cpuacct", "runlet-e2e-load"),
  usedMs(): number {
    if (cgroupLayout !== "v2") return Number(readFileSync(join(this.directory, "cpuacct.usage"), "utf8")) / 1e6;
    return Number(/^usage_usec (\d+)$/m.exec(readFileSync(join(this.directory, "cpu.stat"), "utf8"))?.[1]) / 1e3;
  },
};

let place: ContainerdScene;

beforeAll(async () => {
  place = await openContainerdScene();
  const script = 'mkdir -p "$1" && cat "$2" > "$1/cgroup.procs"';
  const pidPath = join(place.scene.directory, "containerd.pid");
  await place.scene.succeed(["sh", "-c", script, "sh", account.directory, pidPath]);
});

afterAll(async () => {
  await place?.scene.close();
});

/** What one round took. */
interface Round {
  readonly wallMs: number;
  readonly cpuMs: number;
}

/** Starts all containers at once, runs a process in each at once while all run, and removes all at once. */
async function runRound(cri: Cri): Promise<Round> {
  const [startedAt, usedBefore] = [performance.now(), account.usedMs()];
  await withPods(cri, podsAtOnce, async (pods) => {
    const numbers = Array.from({ length: containersAtOnce }, (_, index) => index);
    const containers = await Promise.all(
      numbers.map((number) => podOf(pods, number).start(["sh", "-c", `echo ${number} > /number; exec sleep 1000`])),
    );
    const results = await Promise.all(containers.map((container, number) => execUntilWritten(container, number)));
    expect(results).toEqual(numbers.map((number) => ({ stdout: `${number}\n`, stderr: "", exitCode: number })));
    // What is looked for afterwards is there to be found.
    expect((await findTraces()).length).toBeGreaterThan(4 * containersAtOnce);
    await Promise.all(containers.map(({ id }) => cri.call("RemoveContainer", { container_id: id })));
  });
  return { wallMs: performance.now() - startedAt, cpuMs: account.usedMs() - usedBefore };
}

/** The first process may not have come to its file yet: it is the process in the container that waits for it. */
function execUntilWritten(container: PodContainer, number: number) {
  return container.exec(["sh", "-c", `until [ -s /number ]; do sleep 0.05; done; cat /number; exit ${number}`]);
}

function podOf(pods: readonly Pod[], number: number): Pod {
  const pod = pods[number % pods.length];
  if (pod === undefined) throw new Error("there is no pod");
  return pod;
}

/** Runs pods on the machine's network, which needs no programs of others. */
async function withPods(cri: Cri, count: number, body: (pods: readonly Pod[]) => Promise<void>, pods: Pod[] = []) {
  if (pods.length === count) return await body(pods);
  const network = { security_context: { namespace_options: { network: NamespaceMode.NODE } } };
  const more = (pod: Pod) => withPods(cri, count, body, [...pods, pod]);
  await cri.withPod(network, more, { hostname: "" });
}

/** All that a runtime, its containers and their shims might leave in the scene and in the machine's control groups. */
async function findTraces(): Promise<string[]> {
  const states = ["/run/containerd/runc/k8s.io", "/run/containerd/io.containerd.runtime.v2.task/k8s.io", "/run/runlet"];
  const script = `ls -A ${states.join(" ")} 2> /dev/null | grep -v -e : -e '^$'
grep -e /k8s.io/ -e /run/netns /proc/self/mountinfo
ls /dev/shm /tmp | grep -i run[lc]
ps -e -o comm= | grep -v -x -e containerd -e sh -e ps -e grep -e cat -e flock -e unshare`;
  const { stdout } = await place.scene.run(["sh", "-c", script]);
  const traces = stdout.split("\n").filter((line) => line !== "" && !line.includes(place.scene.directory));
  const cgroups = listCgroups().filter((path) => /\/runlet-e2e-pods\/./.test(path));
  return [...traces, ...cgroups];
}

/** The traces that are still there after what has been killed had time to end. */
async function settledTraces(): Promise<string[]> {
  let traces = await findTraces();
  for (const deadline = Date.now() + settlingMs; traces.length > 0 && Date.now() < deadline; await sleep(200))
    traces = await findTraces();
  return traces;
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

test(`${containersAtOnce} containers at a time are started, joined and removed, and nothing is left`, {
  timeout: (minutes + 30) * 60_000,
  retry: 0,
}, async () => {
  const engines = [peer, subject].map((runtime) => new Cri(place, runtime));
  const rounds = new Map<Runtime, Round[]>([
    [peer, []],
    [subject, []],
  ]);
  expect(await settledTraces()).toEqual([]);
  // In turns, so that what else the machine does falls upon both.
  for (const deadline = Date.now() + minutes * 60_000; Date.now() < deadline; )
    for (const engine of engines) {
      rounds.get(engine.runtime)?.push(await runRound(engine));
      expect(await settledTraces(), `left by ${engine.runtime.name}`).toEqual([]);
    }
  const medianOf = (runtime: Runtime, key: keyof Round) =>
    median((rounds.get(runtime) ?? []).map((round) => round[key]));
  const ratio = (key: keyof Round) => (medianOf(subject, key) / medianOf(peer, key)).toFixed(2);
  expect(rounds.get(subject)?.length).toBeGreaterThan(0);
  process.stderr.write(
    `${rounds.get(subject)?.length} rounds of ${containersAtOnce} containers with each runtime, in turns; ` +
      `runlet took ${ratio("wallMs")} of the time and ${ratio("cpuMs")} of the CPU time that runc took\n`,
  );
});
