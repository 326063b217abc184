import { defaultSpec } from "@runlet/spec";
import { expect, test } from "vitest";
import { forServiceManager, preservedFdCount } from "./service-manager.ts";

const bundle = { bundle: "/b" };

test("nothing from a service manager changes nothing", () => {
  const spec = defaultSpec();
  expect(forServiceManager(spec, bundle, "/run/runlet/x")).toBe(spec);
  expect(preservedFdCount({ ...bundle, preserveFds: 2 })).toBe(2);
});

test("passed sockets are told of in the environment, and come before what is preserved", () => {
  const options = { ...bundle, listenFds: 3, listenFdNames: "a:b:c", preserveFds: 2 };
  const spec = defaultSpec();
  const { process, mounts } = forServiceManager(spec, options, "/run/runlet/x");
  expect(process?.env).toEqual([...(spec.process?.env ?? []), "LISTEN_FDS=3", "LISTEN_PID=1", "LISTEN_FDNAMES=a:b:c"]);
  expect(mounts).toBe(spec.mounts);
  expect(preservedFdCount(options)).toBe(5);
});

test("a socket to report to is bound read-only, and the config that was given stays as it is", () => {
  const spec = defaultSpec();
  const before = structuredClone(spec);
  const { process, mounts } = forServiceManager(spec, { ...bundle, hasNotifySocket: true }, "/run/runlet/x");
  expect(process?.env?.at(-1)).toBe("NOTIFY_SOCKET=/run/notify/notify.sock");
  expect(mounts?.at(-1)).toEqual({
    destination: "/run/notify",
    source: "/run/runlet/x/notify",
    options: ["bind", "nosuid", "noexec", "nodev", "ro"],
  });
  expect(spec).toEqual(before);
});
