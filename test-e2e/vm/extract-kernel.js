// Takes the uncompressed kernel out of a boot image: under emulation it starts a second sooner than one that unpacks itself.
// The offsets are those of the x86 boot protocol, Documentation/arch/x86/boot.rst.
import { spawnSync } from "node:child_process";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";

const [imagePath, outputPath] = process.argv.slice(2);
const image = readFileSync(imagePath);
const setupSectors = image[0x1f1] || 4;
const payloadOffset = image.readUInt32LE(0x248);
const payloadLength = image.readUInt32LE(0x24c);
const start = (setupSectors + 1) * 512 + payloadOffset;
const payload = image.subarray(start, start + payloadLength);
const decompressors = [
  ["fd377a585a", "xz"],
  ["1f8b", "gzip"],
  ["28b52ffd", "zstd"],
];
const [, program] = decompressors.find(([magic]) => payload.toString("hex", 0, 8).startsWith(magic)) ?? [];
// The payload ends with its length, which a decompressor calls trailing garbage after it has written everything.
const result = program && spawnSync(program, ["-dc"], { input: payload, maxBuffer: 1 << 30 });
const kernel = result?.stdout;
if (kernel && kernel.toString("latin1", 0, 4) === "\x7fELF") writeFileSync(outputPath, kernel);
else copyFileSync(imagePath, outputPath);
