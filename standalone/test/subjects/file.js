import * as fs from "node:fs";
import { join } from "node:path";

/** Words that Node and the engine write differently are left out. */
const about = (error) => [error.code, error.errno, error.syscall, error.path, error.dest, Object.keys(error).sort()];

export async function file({ show, tryTo, directory }) {
  const at = (name) => join(directory, name);
  const attempt = (name, call) => {
    try {
      show(name, call());
    } catch (error) {
      show(name, "throws", error instanceof Error, about(error));
    }
  };
  contents(at, show, attempt);
  descriptors(at, show, attempt);
  directories(at, show, attempt);
  statuses(at, show, attempt);
  for (const [name, call] of Object.entries(failures(at))) attempt(name, call);
  tryTo("message", () => fs.readFileSync(at("absent")));
  tryTo("message of two", () => fs.renameSync(at("absent"), at("other")));
  tryTo("message without a path", () => fs.closeSync(4000));
  const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_WRONLY, O_RDONLY, X_OK, W_OK, R_OK, F_OK } = fs.constants;
  show("constants", O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_WRONLY, O_RDONLY, X_OK, W_OK, R_OK, F_OK);
}

function contents(at, show, attempt) {
  const umask = 0o777 & ~fs.statSync(at(".")).mode;
  fs.writeFileSync(at("text"), "héllo\n", { mode: 0o600 });
  show("text", fs.readFileSync(at("text")), fs.readFileSync(at("text"), "utf8"), fs.readFileSync(at("text"), "latin1"));
  fs.writeFileSync(at("text"), Uint8Array.from([0xff, 0x41, 0]));
  show(
    "bytes",
    fs.readFileSync(at("text")),
    fs.readFileSync(at("text"), "utf8"),
    fs.statSync(at("text")).mode.toString(8),
  );
  for (const size of [0, 1, 8191, 8192, 8193, 32_768, 100_000]) {
    fs.writeFileSync(at("large"), "é".repeat(size));
    show(
      "size",
      size,
      fs.readFileSync(at("large")).length,
      fs.readFileSync(at("large"), "utf8").length,
      fs.readFileSync(at("large"), "latin1").length,
    );
  }
  attempt("exclusive", () => fs.writeFileSync(at("text"), "x", { flag: "wx" }));
  fs.writeFileSync(at("new"), "x", { flag: "wx", mode: 0o640 });
  show("modes", fs.statSync(at("new")).mode.toString(8), umask);
  show(
    "proc",
    fs.readFileSync("/proc/sys/kernel/ostype", "utf8"),
    fs.readFileSync("/proc/self/mountinfo", "utf8").length > 100,
    fs.readFileSync("/proc/self/cmdline").length > 0,
  );
  show("sys", fs.readFileSync("/sys/kernel/mm/transparent_hugepage/enabled", "latin1").includes("never"));
  fs.rmSync(at("new"));
  fs.rmSync(at("new"), { force: true });
  show("removed", fs.existsSync(at("new")), fs.existsSync(at("text")), fs.existsSync("a\0b"), fs.existsSync(""));
}

function descriptors(at, show, attempt) {
  const fd = fs.openSync(at("rw"), "w");
  show(
    "close-on-exec",
    (Number(/flags:\s*(\d+)/.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1]) / 1_000_000) & 2,
  );
  show(
    "write",
    fs.writeSync(fd, "héllo"),
    fs.writeSync(fd, Uint8Array.from([1, 2, 3])),
    fs.writeSync(fd, Uint8Array.from([4, 5, 6]), 1),
  );
  show(
    "write a part",
    fs.writeSync(fd, Uint8Array.from([7, 8, 9]), 1, 1),
    fs.writeSync(fd, Uint8Array.from([0x21]), 0, 1, 0),
  );
  attempt("not for reading", () => fs.readSync(fd, new Uint8Array(4)));
  fs.closeSync(fd);
  const readFd = fs.openSync(at("rw"));
  const into = new Uint8Array(6);
  show(
    "read",
    fs.readSync(readFd, into),
    into,
    fs.readSync(readFd, into, 2, 2),
    into,
    fs.readSync(readFd, into, 0, 3, 0),
    into,
  );
  show("rest", fs.readFileSync(readFd), fs.readFileSync(readFd, "utf8"), fs.readSync(readFd, into));
  show("at the null position", fs.readSync(readFd, into, 0, 1, null));
  show("status", fs.fstatSync(readFd).size, fs.fstatSync(readFd, { bigint: true }).size, fs.fstatSync(readFd).isFile());
  attempt("not for writing", () => fs.writeSync(readFd, "x"));
  fs.closeSync(readFd);
  attempt("closed", () => fs.closeSync(readFd));
  attempt("closed too", () => fs.fstatSync(readFd));
  attempt("closed as well", () => fs.writeSync(readFd, "x"));
  const log = fs.openSync(at("rw"), "a", 0o644);
  fs.writeSync(log, "end");
  fs.writeFileSync(log, "of file");
  fs.closeSync(log);
  show("appended", fs.readFileSync(at("rw"), "latin1").slice(-10));
  const both = fs.openSync(at("rw"), "r+");
  fs.writeSync(both, "begin");
  fs.closeSync(both);
  show("overwritten", fs.readFileSync(at("rw"), "latin1").slice(0, 8));
  const flags = fs.openSync(at("."), fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW);
  show("directory", fs.readlinkSync(`/proc/self/fd/${flags}`));
  fs.closeSync(flags);
}

function directories(at, show, attempt) {
  fs.mkdirSync(at("d"), { mode: 0o700 });
  show("made", fs.statSync(at("d")).mode.toString(8));
  fs.mkdirSync(at("d/e/f//g/"), { recursive: true, mode: 0o711 });
  fs.mkdirSync(at("d/e"), { recursive: true });
  show("all made", fs.statSync(at("d/e")).mode.toString(8), fs.statSync(at("d/e/f/g")).mode.toString(8));
  attempt("twice", () => fs.mkdirSync(at("d")));
  attempt("below a file", () => fs.mkdirSync(at("text/x/y"), { recursive: true }));
  attempt("on a file", () => fs.mkdirSync(at("text"), { recursive: true }));
  for (const name of ["z", "a", "B", "é", "10", "9"]) fs.writeFileSync(at(`d/${name}`), "");
  show("names", fs.readdirSync(at("d")));
  show(
    "entries",
    fs.readdirSync(at("d"), { withFileTypes: true }).map((entry) => [entry.name, entry.isDirectory()]),
  );
  show(
    "tasks",
    fs.readdirSync("/proc/self/task").every((name) => /^\d+$/.test(name)),
  );
  fs.renameSync(at("d/a"), at("d/moved"));
  show("moved", fs.existsSync(at("d/a")), fs.existsSync(at("d/moved")));
  fs.chmodSync(at("d/moved"), 0o4750);
  show("mode", fs.statSync(at("d/moved")).mode.toString(8));
  fs.unlinkSync(at("d/moved"));
  attempt("full", () => fs.rmdirSync(at("d")));
  fs.rmdirSync(at("d/e/f/g"));
  show("empty", fs.readdirSync(at("d/e/f")));
  show("access", fs.accessSync(at("d")), fs.accessSync(at("d"), fs.constants.W_OK | fs.constants.X_OK));
}

function statuses(at, show, attempt) {
  const status = fs.statSync(at("rw"));
  const { dev, ino, mode, nlink, uid, gid, rdev, size } = status;
  show(
    "status",
    [dev, ino, mode, nlink, uid, gid, rdev, size].map((field) => typeof field),
    uid,
    gid,
    size,
    nlink,
  );
  const exact = fs.statSync(at("rw"), { bigint: true });
  show("exact", exact.ino === BigInt(ino), exact.dev === BigInt(dev), exact.size, exact.isFile(), exact.isDirectory());
  const [times, exactTimes] = [fs.statSync("/etc/passwd"), fs.statSync("/etc/passwd", { bigint: true })];
  show("times", times.mtimeMs, times.ctimeMs, exactTimes.mtimeMs, exactTimes.ctimeMs);
  const terminal = fs.statSync("/dev/null");
  show(
    "device",
    terminal.isCharacterDevice(),
    terminal.isFile(),
    terminal.rdev,
    terminal.ino,
    fs.statSync("/").isDirectory(),
  );
  show("absent", fs.statSync(at("absent"), { throwIfNoEntry: false }));
  attempt("not absent", () => fs.statSync(at("text/x"), { throwIfNoEntry: false }));
  show("type", fs.statfsSync("/proc").type, fs.statfsSync("/sys").type);
  show("link", fs.readlinkSync("/proc/self/ns/user") === fs.readlinkSync("/proc/thread-self/ns/user"));
}

function failures(at) {
  return {
    open: () => fs.openSync(at("absent"), "r"),
    "open a directory": () => fs.openSync(at("d"), "w"),
    "open nothing": () => fs.openSync(""),
    read: () => fs.readFileSync(at("absent"), "utf8"),
    "read a directory": () => fs.readFileSync(at("d")),
    "read a closed one": () => fs.readFileSync(4000, "utf8"),
    write: () => fs.writeFileSync(at("absent/x"), ""),
    "write a kernel's": () => fs.writeFileSync("/proc/self/oom_score_adj", "text"),
    stat: () => fs.statSync(at("absent")),
    statfs: () => fs.statfsSync(at("absent")),
    access: () => fs.accessSync(at("absent"), fs.constants.X_OK),
    "access to run": () => fs.accessSync(at("text"), fs.constants.X_OK),
    mkdir: () => fs.mkdirSync(at("absent/x")),
    "mkdir nothing": () => fs.mkdirSync("", { recursive: true }),
    chmod: () => fs.chmodSync(at("absent"), 0o600),
    rmdir: () => fs.rmdirSync(at("absent")),
    "rmdir a file": () => fs.rmdirSync(at("text")),
    unlink: () => fs.unlinkSync(at("absent")),
    rename: () => fs.renameSync(at("absent"), at("other")),
    readlink: () => fs.readlinkSync(at("text")),
    scandir: () => fs.readdirSync(at("absent")),
    "scandir a file": () => fs.readdirSync(at("text"), { withFileTypes: true }),
  };
}
