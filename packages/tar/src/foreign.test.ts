import { execFileSync, spawnSync } from "node:child_process";
import {
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readAll } from "../test/archive-builder.ts";
import { writeArchive } from "./writer.ts";

/** Programs that archives are exchanged with; the names of skipped tests say which is not installed, or setfattr. */
const programs = ["tar", "bsdtar"].map((program) => ({
  program,
  isInstalled: [program, "setfattr"].every((name) => spawnSync(name, ["--version"]).status === 0),
}));

function temporaryDirectory(): string {
  const hostPath = mkdtempSync(join(tmpdir(), "runlet-tar-"));
  onTestFinished(() => rmSync(hostPath, { recursive: true, force: true }));
  return hostPath;
}

const longName = `${"n".repeat(120)}/${"m".repeat(200)}`;

function prepareTree(): string {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "file"), "content\n", { mode: 0o640 });
  utimesSync(join(directory, "file"), 1.5, 1234567890.123);
  linkSync(join(directory, "file"), join(directory, "second"));
  symlinkSync("../somewhere", join(directory, "link"));
  mkdirSync(join(directory, "n".repeat(120)));
  writeFileSync(join(directory, longName), "long");
  writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0x66, 0xff])]), "no UTF-8");
  execFileSync("mkfifo", [join(directory, "fifo")]);
  const fd = openSync(join(directory, "holes"), "w");
  for (let index = 0; index < 60; index++) writeSync(fd, "data", index << 16);
  ftruncateSync(fd, 60 << 16);
  closeSync(fd);
  execFileSync("setfattr", ["-n", "user.blob", "-v", "0x00ff3d0a25", join(directory, "file")]);
  return directory;
}

const formats: Record<string, string[][]> = {
  tar: [
    ["--format=gnu", "--sparse"],
    ["--format=pax", "--sparse", "--sparse-version=0.0", "--xattrs"],
    ["--format=pax", "--sparse", "--sparse-version=0.1", "--xattrs"],
    ["--format=pax", "--sparse", "--sparse-version=1.0", "--xattrs"],
  ],
  bsdtar: [["--format=pax", "--xattrs"], ["--format=gnutar"]],
};

for (const { program, isInstalled } of programs) {
  for (const options of formats[program] ?? []) {
    test(`reads what ${program} ${options.join(" ")} writes`, ({ task, skip }) => {
      if (!isInstalled) {
        task.meta.skipReason = `needs ${program} and setfattr`;
        skip();
      }
      const directory = prepareTree();
      const archive = execFileSync(program, ["-c", ...options, "-f", "-", "-C", directory, "."], {
        maxBuffer: 1 << 30,
      });
      const byPath = new Map(
        readAll(archive, { pieceBytes: 10_000 }).map((entry) => [entry.path.toString("latin1"), entry]),
      );
      const isPax = options[0] === "--format=pax";
      const names = ["./file", "./second"].map((name) => byPath.get(name));
      const file = names.find((entry) => entry?.type === "file");
      const hardLink = names.find((entry) => entry?.type === "hard-link");
      expect(file).toMatchObject({ mode: 0o640, content: Buffer.from("content\n") });
      expect(file?.mtime).toEqual({ seconds: 1234567890, nanoseconds: isPax ? file?.mtime.nanoseconds : 0 });
      if (isPax) expect(Math.round((file?.mtime.nanoseconds ?? 0) / 1e6)).toBe(123);
      expect(hardLink?.linkTarget).toEqual(file?.path);
      expect(byPath.get("./link")).toMatchObject({ type: "symbolic-link", linkTarget: Buffer.from("../somewhere") });
      expect(byPath.get(`./${longName}`)?.content.toString()).toBe("long");
      expect(byPath.get("./f\xff")?.content.toString()).toBe("no UTF-8");
      expect(byPath.get("./fifo")?.type).toBe("fifo");
      const holes = byPath.get("./holes");
      expect(holes?.content.equals(readFileSync(join(directory, "holes")))).toBe(true);
      if (options.includes("--sparse")) expect(holes?.dataRanges?.length).toBeGreaterThanOrEqual(60);
      if (options.includes("--xattrs"))
        expect(file?.xattrs).toContainEqual({
          name: Buffer.from("user.blob"),
          value: Buffer.from([0, 0xff, 0x3d, 0x0a, 0x25]),
        });
    });
  }

  test(`${program} reads what is written`, async ({ task, skip }) => {
    if (!isInstalled) {
      task.meta.skipReason = `needs ${program} and setfattr`;
      skip();
    }
    const directory = temporaryDirectory();
    const dataRanges = [
      { offset: 1 << 20, lengthBytes: 1024 },
      { offset: 3 << 20, lengthBytes: 512 },
    ];
    const mtime = { seconds: 1234567890, nanoseconds: 123456789 };
    const parts: Uint8Array[] = [];
    const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0, mtime };
    const archive = writeArchive([
      { entry: { type: "directory", path: "dir", mode: 0o750, ...owner } },
      {
        entry: {
          type: "file",
          path: "dir/file",
          mode: 0o4711,
          sizeBytes: 6,
          ...owner,
          xattrs: [{ name: Buffer.from("user.blob"), value: Buffer.from([0, 0xff, 10]) }],
        },
        content: [Buffer.from("con"), Buffer.from("ten")],
      },
      { entry: { type: "hard-link", path: "hard", linkTarget: "dir/file", mode: 0o4711, ...owner } },
      { entry: { type: "symbolic-link", path: "link", linkTarget: "x".repeat(150), mode: 0o777, ...owner } },
      { entry: { type: "file", path: longName, mode: 0o644, sizeBytes: 4, ...owner }, content: [Buffer.from("long")] },
      { entry: { type: "file", path: Buffer.from([0x66, 0xff]), mode: 0o644, ...owner } },
      {
        entry: {
          type: "file",
          path: Buffer.concat([Buffer.from("l".repeat(120)), Buffer.from([0xff])]),
          mode: 0o644,
          ...owner,
        },
      },
      { entry: { type: "fifo", path: "fifo", mode: 0o600, ...owner } },
      {
        entry: { type: "file", path: "holes", mode: 0o600, sizeBytes: 4 << 20, dataRanges, ...owner },
        content: [Buffer.alloc(1024, "first"), Buffer.alloc(512, "sec")],
      },
    ]);
    for await (const part of archive) parts.push(part);
    const extraction = program === "tar" ? ["--xattrs", "-p"] : ["-p"];
    execFileSync(program, ["-x", ...extraction, "-f", "-", "-C", directory], {
      input: Buffer.concat(parts),
      stdio: ["pipe", "pipe", "pipe"],
    });
    const at = (name: string) => join(directory, name);
    expect(readFileSync(at("dir/file"), "utf8")).toBe("conten");
    expect(statSync(at("dir/file"), { bigint: true }).mtimeNs).toBe(1234567890123456789n);
    expect(statSync(at("dir")).mode & 0o777).toBe(0o750);
    expect(statSync(at("hard")).ino).toBe(statSync(at("dir/file")).ino);
    expect(readFileSync(at(longName), "utf8")).toBe("long");
    expect(statSync(Buffer.concat([Buffer.from(at("")), Buffer.from("/"), Buffer.from([0x66, 0xff])])).size).toBe(0);
    expect(statSync(Buffer.concat([Buffer.from(at("l".repeat(120))), Buffer.from([0xff])])).size).toBe(0);
    expect(statSync(at("fifo")).isFIFO()).toBe(true);
    const holes = readFileSync(at("holes"));
    expect(holes.length).toBe(4 << 20);
    expect(holes.toString("latin1", 1 << 20, (1 << 20) + 5)).toBe("first");
    expect(holes.toString("latin1", 3 << 20, (3 << 20) + 3)).toBe("sec");
    const value = execFileSync("getfattr", ["--only-values", "-n", "user.blob", at("dir/file")], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    expect(value).toEqual(Buffer.from([0, 0xff, 10]));
  });
}
