/**
 * Runs containers in process and says what they took: a line `run BUNDLE COUNT AT_A_TIME` is answered with nanoseconds, the
 * process's highest resident set in KiB and how many containers failed. The arguments are the state root.
 */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Runtime } from "@runlet/lifecycle";

const [root = ""] = process.argv.slice(2);
const runtime = new Runtime({ root });
let sequence = 0;

async function runOne(bundle: string): Promise<number> {
  const container = await runtime.create(`library-${process.pid}-${sequence++}`, { bundle, stdio: "null" });
  await container.start();
  const { exitCode } = await container.wait();
  await container.delete();
  return exitCode === 0 ? 0 : 1;
}

async function runTogether(bundle: string, count: number): Promise<number> {
  const results = await Promise.all(Array.from({ length: count }, () => runOne(bundle)));
  return results.reduce((sum, result) => sum + result, 0);
}

function peakKiB(): number {
  return Number(/^VmHWM:\s*(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? 0);
}

for await (const line of createInterface({ input: process.stdin })) {
  const [, bundle = "", count = "1", atATime = "1"] = line.split(" ");
  let failed = 0;
  const before = process.hrtime.bigint();
  for (let done = 0; done < Number(count); done += Number(atATime)) {
    failed += atATime === "1" ? await runOne(bundle) : await runTogether(bundle, Number(atATime));
  }
  const nanoseconds = process.hrtime.bigint() - before;
  console.log(`${nanoseconds} ${peakKiB()} ${failed}`);
}
