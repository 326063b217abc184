import { closeSync, openSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { checkInheritedFds } from "./inherited-descriptors.ts";

describe("checkInheritedFds", () => {
  it("asks for nothing where nothing is to be passed on", () => {
    expect(() => checkInheritedFds({ preserveFds: 0 })).not.toThrow();
  });

  it("refuses numbers that lead to no descriptor, or to the event loop's, with those of the service manager counted", () => {
    const fds = Array.from({ length: 30 }, () => openSync("/dev/null", "r"));
    const firstFree = Math.max(...fds) + 1;
    for (const fd of fds) closeSync(fd);
    expect(() => checkInheritedFds({ listenFds: 1, preserveFds: firstFree })).toThrow(
      expect.objectContaining({
        code: "ERR_RUNLET_USAGE",
        message: expect.stringMatching(new RegExp(`^unable to stat preserved-fd \\d+ \\(of ${firstFree + 1}\\)`)),
      }),
    );
  });
});
