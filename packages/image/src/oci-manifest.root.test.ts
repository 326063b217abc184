import { join } from "node:path";
import { expect, test } from "vitest";
import { buildLayer, buildLayout } from "../test/layout-builder.ts";
import { temporaryDirectory } from "../test/temporary.ts";
import { run, skopeoCopy } from "../test/tools.ts";
import { ArchiveTarget } from "./archive/archive-target.ts";
import { openImageFile } from "./archive/open-source.ts";
import { copyImage } from "./copy.ts";
import { LayoutTarget } from "./layout/layout-target.ts";

test("skopeo finds an image of Docker's types in a layout and in an archive of one, and can copy it", async () => {
  const directory = temporaryDirectory();
  const { hostPath } = buildLayout(temporaryDirectory(), { layers: [buildLayer({ path: "a", content: "a" })] });
  const docker = join(directory, "docker.tar");
  skopeoCopy(`oci:${hostPath}:latest`, `docker-archive:${docker}:name:v1`, "--format", "v2s2");
  await using from = await openImageFile(docker);
  expect((await from.manifest()).descriptor.mediaType).toBe("application/vnd.docker.distribution.manifest.v2+json");
  await using layout = await LayoutTarget.open(join(directory, "layout"));
  const { target } = await copyImage({ from, to: layout, targetReference: "v1" });
  await using archive = await ArchiveTarget.create({ hostPath: join(directory, "oci.tar"), format: "oci" });
  await copyImage({ from, to: archive, targetReference: "v1" });
  await archive.finish();
  for (const place of [`oci:${directory}/layout:v1`, `oci-archive:${directory}/oci.tar:v1`]) {
    expect(JSON.parse(run("skopeo", "inspect", place)).Digest).toBe(target.descriptor.digest);
    skopeoCopy(place, `dir:${temporaryDirectory()}`);
  }
});
