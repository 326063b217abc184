import { expect, test } from "vitest";
import { serviceManagerRequest } from "./service-manager.ts";

test("sockets are for this process, or are left alone", () => {
  const sockets = { LISTEN_FDS: "2", LISTEN_PID: "77", LISTEN_FDNAMES: "http:https" };
  expect(serviceManagerRequest(sockets, 77)).toEqual({ listenFds: 2, listenFdNames: "http:https" });
  expect(serviceManagerRequest(sockets, 78)).toEqual({});
  expect(serviceManagerRequest({ LISTEN_FDS: "2" }, 77)).toEqual({});
});

test.each(["0", "-1", "x", "", "1e3", "2 ", "1000000"])("LISTEN_FDS=%s is no number of descriptors", (count) => {
  expect(serviceManagerRequest({ LISTEN_FDS: count, LISTEN_PID: "77", LISTEN_FDNAMES: "a" }, 77)).toEqual({});
});

test("NOTIFY_SOCKET asks for a socket in the container, an empty one does not", () => {
  expect(serviceManagerRequest({ NOTIFY_SOCKET: "/run/systemd/notify" }, 1)).toEqual({ hasNotifySocket: true });
  expect(serviceManagerRequest({ NOTIFY_SOCKET: "" }, 1)).toEqual({});
});
