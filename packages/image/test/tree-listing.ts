import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";

/** What a listing says of one file: everything that a layer can carry. */
export type TreeListing = Readonly<Record<string, string>>;

const separator = Buffer.from("/");

/**
 * Lists a tree as mtree(8) does, but byte for byte: types, modes, owners, devices, times to the nanosecond, links, names of one
 * file, digests of contents, extended attributes.
 */
export function listTree(hostPath: string): TreeListing {
  const listing: Record<string, string> = {};
  const firstNames = new Map<string, string>();
  const xattrs = readXattrs(hostPath);
  const visit = (path: Buffer, name: string) => {
    const status = lstatSync(path, { bigint: true });
    listing[name] = [...describe(path, name, { status, firstNames }), ...(xattrs.get(name) ?? [])].join(" ");
    if (!status.isDirectory()) return;
    const children = readdirSync(path, { encoding: "buffer" }).sort(Buffer.compare);
    for (const child of children)
      visit(Buffer.concat([path, separator, child]), `${name === "." ? "" : `${name}/`}${child.toString("latin1")}`);
  };
  visit(Buffer.from(hostPath), ".");
  return listing;
}

function describe(
  path: Buffer,
  name: string,
  options: { status: BigIntStats; firstNames: Map<string, string> },
): string[] {
  const { status, firstNames } = options;
  const words = [
    `mode=${status.mode.toString(8)}`,
    `uid=${status.uid}`,
    `gid=${status.gid}`,
    `mtime=${status.mtimeNs}`,
  ];
  if (status.isFile()) {
    const digest = createHash("sha256").update(readFileSync(path)).digest("hex");
    words.push(`size=${status.size}`, `sha256=${digest}`);
  }
  if (status.isSymbolicLink()) words.push(`link=${readlinkSync(path, { encoding: "buffer" }).toString("latin1")}`);
  if (status.isBlockDevice() || status.isCharacterDevice()) words.push(`device=${status.rdev}`);
  if (!status.isDirectory() && status.nlink > 1n) {
    const key = `${status.dev}:${status.ino}`;
    const first = firstNames.get(key);
    if (first === undefined) firstNames.set(key, name);
    else words.push(`same=${first}`);
  }
  return words;
}

/** Attributes of all files, those of overlayfs itself left out. */
function readXattrs(hostPath: string): Map<string, string[]> {
  const dump = execFileSync("getfattr", ["-R", "-h", "-P", "-d", "-m", "-", "-e", "hex", "--absolute-names", "."], {
    cwd: hostPath,
    stdio: ["ignore", "pipe", "ignore"],
    maxBuffer: 1 << 28,
  }).toString("latin1");
  const found = new Map<string, string[]>();
  for (const block of dump.split("\n\n")) {
    const [header, ...lines] = block.split("\n");
    if (header === undefined || !header.startsWith("# file: ")) continue;
    const path = header
      .slice("# file: ".length)
      .replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    const kept = lines.filter((line) => line !== "" && !/^(trusted|user)\.overlay\./.test(line)).sort();
    if (kept.length > 0) found.set(path.replace(/^\.\//, ""), kept);
  }
  return found;
}
