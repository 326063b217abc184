import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { buildLayer, buildLayout } from "../../test/layout-builder.ts";
import { temporaryDirectory } from "../../test/temporary.ts";

const require = createRequire(import.meta.url);
const bun = join(dirname(require.resolve("@oven/bun-linux-x64/package.json")), "bin/bun");
const worker = fileURLToPath(new URL("../../test/store-worker.ts", import.meta.url));
/** Every call that changes what is below a directory, by descriptor or by path. */
const changes =
  "openat,write,pwrite64,fchown,fchownat,fchmod,fchmodat,utimensat,mkdirat,mknodat,symlinkat,linkat,fsetxattr";

interface Call {
  readonly name: string;
  readonly text: string;
  /** Numbers of the lines in which strace tells of its begin and its end. */
  readonly begin: number;
  readonly end: number;
}

/** The calls of a log of `strace -f`, which cuts those apart that threads make at the same time. */
function readCalls(log: string): Call[] {
  const calls: Call[] = [];
  const unfinished = new Map<string, { text: string; begin: number }>();
  for (const [line, content] of log.split("\n").entries()) {
    const [, thread = "", text = ""] = /^(\d+) +(.*)$/.exec(content) ?? [];
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(text);
    const started = resumed === null ? { text: "", begin: line } : unfinished.get(thread);
    const whole = (started?.text ?? "") + (resumed?.[1] ?? text);
    const cut = /^(.*) <unfinished \.\.\.>$/.exec(whole);
    if (cut !== null) unfinished.set(thread, { text: cut[1] ?? "", begin: started?.begin ?? line });
    else if (whole !== "")
      calls.push({ name: /^\w+/.exec(whole)?.[0] ?? "", text: whole, begin: started?.begin ?? line, end: line });
  }
  return calls;
}

function traceStore(options: readonly string[]) {
  const layer = buildLayer(
    { path: "d/", type: "directory" },
    ...Array.from({ length: 20 }, (_, index) => ({ path: `d/file${index}`, content: "x".repeat(index * 1000) })),
    { path: "large", content: "x".repeat(1_000_000) },
    { path: "implied/link", type: "symbolic-link", linkTarget: "../large" },
  );
  const layout = buildLayout(temporaryDirectory(), { layers: [layer], config: {} }).hostPath;
  // As strace names what is open.
  const directory = realpathSync(temporaryDirectory());
  const log = join(directory, "log");
  const store = join(directory, "store");
  const command = ["-f", "-y", "-qq", "-s", "200", "-o", log, ...options];
  const child = spawnSync(
    "strace",
    [...command, bun, "--conditions=@runlet/source", worker, store, layout, layout, "share"],
    { encoding: "utf8", timeout: 60_000 },
  );
  return { ...child, store, calls: () => readCalls(readFileSync(log, "utf8")) };
}

test("a layer gets its place after all of it is on the disk", { timeout: 90_000 }, () => {
  const { status, stderr, store, calls } = traceStore(["-e", `trace=syncfs,rename,renameat,renameat2,${changes}`]);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  const [hex = ""] = readdirSync(join(store, "layers/sha256"));
  const staging = join(store, `staging/sha256-${hex}`);
  const all = calls();
  // Of a call that it has cut apart strace aligns the result.
  const isSync = ({ name, text }: Call) => name === "syncfs" && text.includes(`<${staging}>)`) && text.endsWith(" = 0");
  const sync = all.find(isSync);
  const rename = all.find(({ name, text }) => name.startsWith("rename") && text.includes(`"${staging}", `));
  expect(sync).toBeDefined();
  expect(rename?.begin).toBeGreaterThan(sync?.end ?? Number.POSITIVE_INFINITY);
  const isWriting = ({ name, text }: Call) => changes.split(",").includes(name) && text.includes(`<${staging}/tree`);
  const writing = all.filter((call) => isWriting(call) && !/O_RDONLY|O_PATH/.test(call.text));
  // Each file is opened, written and given its times, at least.
  expect(writing.length).toBeGreaterThan(60);
  expect(Math.max(...writing.map(({ end }) => end))).toBeLessThan(sync?.begin ?? 0);
});

test("a layer that the disk does not take gets no place", { timeout: 90_000 }, () => {
  const { status, stderr, store } = traceStore(["-e", "trace=syncfs", "-e", "inject=syncfs:error=EIO"]);
  expect(status).not.toBe(0);
  expect(stderr).toContain("ERR_RUNLET_STORE");
  expect(stderr).toContain("EIO");
  expect(existsSync(join(store, "layers")) ? readdirSync(join(store, "layers"), { recursive: true }) : []).not.toEqual(
    expect.arrayContaining([expect.stringMatching(/[0-9a-f]{64}/)]),
  );
  expect(readdirSync(join(store, "staging"))).toEqual([]);
});
