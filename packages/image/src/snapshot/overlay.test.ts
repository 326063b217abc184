import { expect, test } from "vitest";
import { overlayMount } from "./overlay-options.ts";
import { obstacleOf } from "./overlay-support.ts";

const directories = { lowerHostPaths: ["/base", "/middle", "/top"], upperHostPath: "/u", workHostPath: "/w" };

test("the mount says it all, whatever the kernel's builder has chosen", () => {
  expect(overlayMount(directories, { xattrs: "trusted", isVolatile: false })).toEqual({
    destination: "/",
    type: "overlay",
    source: "overlay",
    options: [
      "lowerdir=/top:/middle:/base",
      "upperdir=/u",
      "workdir=/w",
      "index=off",
      "metacopy=off",
      "redirect_dir=nofollow",
    ],
  });
});

test("in a user namespace, and for what need not last", () => {
  const { options } = overlayMount(directories, { xattrs: "user", isVolatile: true });
  expect(options?.slice(-2)).toEqual(["userxattr", "volatile"]);
});

test("colons and backslashes of paths are none of the list's", () => {
  const lowerHostPaths = ["/a:b", "/c\\d"];
  const { options } = overlayMount(
    { ...directories, lowerHostPaths, upperHostPath: "/u:\\v" },
    { xattrs: "user", isVolatile: false },
  );
  expect(options?.slice(0, 2)).toEqual(["lowerdir=/c\\\\d:/a\\:b", "upperdir=/u:\\\\v"]);
});

test("more layers than the kernel takes are refused", () => {
  const lowerHostPaths = Array.from({ length: 501 }, (_, index) => `/${index}`);
  expect(() => overlayMount({ ...directories, lowerHostPaths }, { xattrs: "user", isVolatile: false })).toThrow(
    expect.objectContaining({ code: "ERR_RUNLET_IMAGE" }),
  );
});

test.each([
  ["ext4", 0xef53, "user", "5.15.0", undefined],
  ["overlay", 0x794c7630, "trusted", "6.18.0", /overlay/],
  // As statfs(2) gives it where the word is signed.
  ["cifs", 0xff534d42 | 0, "trusted", "6.18.0", /cifs/],
  ["tmpfs of a user", 0x01021994, "user", "6.5.0-1", /Linux 6.6/],
  ["tmpfs of a user, later", 0x01021994, "user", "6.6.1", undefined],
  ["tmpfs of root", 0x01021994, "trusted", "5.15.0", undefined],
] as const)("an upper directory on %s", (_name, fileSystemType, xattrs, kernelRelease, expected) => {
  const obstacle = obstacleOf({ fileSystemType, xattrs, kernelRelease });
  if (expected === undefined) expect(obstacle).toBeUndefined();
  else expect(obstacle).toMatch(expected);
});
