import { isRunletError } from "@runlet/errors";
import { mediaTypes } from "@runlet/spec";
import fc from "fast-check";
import { expect, test } from "vitest";
import { sha256 } from "../test/layout-builder.ts";
import { parseConfiguration, parseManifest } from "./manifest.ts";

const descriptor = { mediaType: mediaTypes.imageLayerGzip, digest: sha256("x"), size: 1 };
const value = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom<unknown>(2, descriptor, [descriptor], mediaTypes.imageManifest, mediaTypes.imageIndex, sha256("y")),
);
const keys = [
  "schemaVersion",
  "mediaType",
  "config",
  "layers",
  "manifests",
  "artifactType",
  "os",
  "architecture",
  "rootfs",
];
const document = fc.oneof(
  fc.jsonValue(),
  fc.record(Object.fromEntries(keys.map((key) => [key, value])), { requiredKeys: [] }),
  fc.record({ schemaVersion: fc.constant(2), config: fc.constant(descriptor), layers: value, mediaType: value }),
);
const mediaType = fc.constantFrom(mediaTypes.imageManifest, mediaTypes.imageIndex, "application/octet-stream");

function attempt<Result>(run: () => Result): Result | undefined {
  try {
    return run();
  } catch (error) {
    if (!isRunletError(error)) throw error;
    expect(error.code).toBe("ERR_RUNLET_IMAGE");
    return undefined;
  }
}

test("whatever a document holds, it is refused by name, or all that is used of it is what it should be", () => {
  fc.assert(
    fc.property(document, mediaType, (content, type) => {
      const bytes = Buffer.from(JSON.stringify(content));
      const parsed = attempt(() => parseManifest({ bytes, descriptor: { ...descriptor, mediaType: type } }));
      if (parsed === undefined) return;
      const { manifest } = parsed.kind === "manifest" ? parsed : { manifest: undefined };
      const used =
        manifest === undefined && parsed.kind === "index" ? parsed.index.manifests : (manifest?.layers ?? []);
      for (const { digest, size } of [...used, ...(manifest === undefined ? [] : [manifest.config])]) {
        expect(digest).toMatch(/^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$/);
        expect(Number.isSafeInteger(size)).toBe(true);
      }
      if (manifest === undefined) return;
      const configuration = attempt(() => parseConfiguration({ bytes, digest: descriptor.digest, manifest }));
      if (configuration !== undefined) expect(configuration.rootfs.diff_ids).toHaveLength(manifest.layers.length);
    }),
    { numRuns: 2000 },
  );
});

test("any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      attempt(() => parseManifest({ bytes, descriptor }));
    }),
  );
});
