import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { removeBundle } from "./bundle-removal.ts";
import type { Container } from "./container.ts";
import { createFromImage } from "./image-container.ts";
import type { ImageCreateOptions, ImageProvider, ImageRequest } from "./image-provider.ts";
import type { CreateOptions } from "./options.ts";

/** Images that say what was asked of them. */
function recordingImages(options: { failsToRemove?: boolean } = {}) {
  const calls: string[] = [];
  const requests: ImageRequest[] = [];
  const images: ImageProvider = {
    instantiate: async (request) => {
      requests.push(request);
      return {
        bundle: "/made",
        keep: () => void calls.push("keep"),
        remove: async () => {
          calls.push("remove");
          if (options.failsToRemove) throw new Error("the disk is gone");
        },
      };
    },
    remove: async () => false,
  };
  return { images, calls, requests };
}

function create(
  images: ImageProvider | undefined,
  options: ImageCreateOptions,
  made: (options: CreateOptions) => Container,
) {
  const request = { id: "web", stateHostPath: "/state/web", options, images };
  return createFromImage({ ...request, create: async (bundleOptions) => made(bundleOptions) });
}

describe("a container of an image", () => {
  test("is created in a bundle that is its own, with what differs from the image", async () => {
    const { images, calls, requests } = recordingImages();
    const container = {} as Container;
    const seen: CreateOptions[] = [];
    const options = { image: "app", args: ["a"], readonly: false, stdio: "null", preserveFds: 1 } as const;
    const result = await create(images, options, (bundleOptions) => {
      seen.push(bundleOptions);
      return container;
    });
    expect(result).toBe(container);
    expect(seen).toMatchObject([{ bundle: "/made", ownsBundle: true, stdio: "null", preserveFds: 1 }]);
    expect(requests).toEqual([
      {
        reference: "app",
        id: "web",
        stateHostPath: "/state/web",
        args: ["a"],
        readonly: false,
        ephemeral: false,
        signal: undefined,
      },
    ]);
    expect(calls).toEqual(["keep"]);
  });

  test.each([false, true])(
    "that cannot be created leaves no bundle, and says why (removal fails: %s)",
    async (failsToRemove) => {
      const { images, calls } = recordingImages({ failsToRemove });
      const refused = create(images, { image: "app" }, () => {
        throw new Error("no such thing");
      });
      await expect(refused).rejects.toThrow("no such thing");
      expect(calls).toEqual(["remove"]);
    },
  );

  test("needs a runtime with images", async () => {
    const refused = create(undefined, { image: "app" }, () => ({}) as Container);
    await expect(refused).rejects.toMatchObject({ code: "ERR_RUNLET_USAGE", hint: expect.stringContaining("images") });
  });
});

describe("a bundle that is a container's own", () => {
  function makeBundle(): string {
    const directory = mkdtempSync(join(tmpdir(), "runlet-bundle-"));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const bundle = join(directory, "bundle");
    mkdirSync(join(bundle, "rootfs"), { recursive: true });
    writeFileSync(Buffer.concat([Buffer.from(`${bundle}/rootfs/`), Buffer.of(0xff)]), "no UTF-8");
    return bundle;
  }

  test("is removed by whoever made it", async () => {
    const bundle = makeBundle();
    const removed: string[] = [];
    await removeBundle(bundle, { ...recordingImages().images, remove: async (path) => removed.push(path) > 0 });
    expect(removed).toEqual([bundle]);
    expect(existsSync(bundle)).toBe(true);
  });

  test("is removed as it is where nobody knows it, and once is enough", { timeout: 30_000 }, async () => {
    for (const images of [undefined, recordingImages().images]) {
      const bundle = makeBundle();
      for (let time = 0; time < 2; time++) await removeBundle(bundle, images);
      expect(existsSync(bundle)).toBe(false);
    }
  });
});
