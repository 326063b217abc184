import { expect, it } from "vitest";
import { pageServer, sharedRequest } from "./checkpoint-options.ts";
import { parseCommandLine } from "./parser.ts";
import { UsageError } from "./usage-error.ts";

/** What the options of a `checkpoint` ask for. */
function requestOf(...args: string[]) {
  // The types of the values follow from the table that they were read by.
  const { options } = parseCommandLine("checkpoint", [...args, "web"]);
  return sharedRequest(options as unknown as Parameters<typeof sharedRequest>[0]);
}

it("images go to ./checkpoint by default, and nothing is allowed", () => {
  expect(requestOf()).toEqual({
    imagePath: `${process.cwd()}/checkpoint`,
    tcpEstablished: false,
    extUnixSk: false,
    shellJob: false,
    fileLocks: false,
    lazyPages: false,
    autoDedup: false,
    emptyNamespaces: [],
  });
});

it("flags become options, with one dash or two", () => {
  const flags = ["-tcp-established", "--ext-unix-sk", "-shell-job", "--file-locks", "--lazy-pages", "--auto-dedup"];
  const values = ["-image-path", "/i", "--work-path=/w", "--manage-cgroups-mode", "full", "--empty-ns", "network"];
  expect(requestOf(...flags, ...values)).toEqual({
    imagePath: "/i",
    workPath: "/w",
    tcpEstablished: true,
    extUnixSk: true,
    shellJob: true,
    fileLocks: true,
    lazyPages: true,
    autoDedup: true,
    emptyNamespaces: ["network"],
    manageCgroupsMode: "full",
  });
});

it("other namespaces than the network's, and modes that there are not, are refused", () => {
  expect(() => requestOf("--empty-ns", "ipc")).toThrow('namespace "ipc" is not supported');
  expect(() => requestOf("--manage-cgroups-mode", "some")).toThrow(UsageError);
});

it.each([
  ["192.0.2.1:9876", { address: "192.0.2.1", port: 9876 }],
  ["host.example:1", { address: "host.example", port: 1 }],
  ["[2001:db8::1]:65535", { address: "2001:db8::1", port: 65535 }],
])("%s is a page server", (text, server) => {
  expect(pageServer(text)).toEqual(server);
});

it.each(["", "host", "host:", ":1", "host:0", "host:65536", "host:1x", "2001:db8::1:5"])(
  "%j is no page server",
  (text) => {
    expect(() => pageServer(text)).toThrow("use --page-server ADDRESS:PORT");
  },
);
