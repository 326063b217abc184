import { accessSync } from "node:fs";
import { quote, RunletError } from "@runlet/errors";
import { BusError, type BusValue, callSystemd } from "@runlet/syscall";
import { errnoOf } from "../cgroup-file.ts";
import { toBusProperties, type UnitProperty } from "./property.ts";

const objectPath = "/org/freedesktop/systemd1";
const managerInterface = "org.freedesktop.systemd1.Manager";

/** systemd's manager, the system's or a user's, as far as a container needs it. */
export class ManagerBus {
  readonly #isUserInstance: boolean;
  #version: number | undefined;

  constructor(isUserInstance: boolean) {
    this.#isUserInstance = isUserInstance;
  }

  /** Starts a transient unit and waits until it runs. @throws BusError, RunletError `ERR_RUNLET_SYSTEMD` */
  async startUnit(name: string, properties: readonly UnitProperty[]): Promise<void> {
    await this.#job("start", name, {
      member: "StartTransientUnit",
      signature: "ssa(sv)a(sa(sv))",
      values: [name, "replace", toBusProperties(properties), []],
    });
  }

  /** Stops a unit and waits for that. @throws BusError, RunletError `ERR_RUNLET_SYSTEMD` */
  async stopUnit(name: string): Promise<void> {
    await this.#job("stop", name, { member: "StopUnit", signature: "ss", values: [name, "replace"] });
  }

  /** Forgets that a unit failed, so that its name is free. @throws BusError */
  async resetFailedUnit(name: string): Promise<void> {
    await this.#call({ member: "ResetFailedUnit", signature: "s", values: [name] });
  }

  /** Changes properties of a running unit until it ends, and returns when systemd has written its files. @throws BusError */
  async setProperties(name: string, properties: readonly UnitProperty[]): Promise<void> {
    await this.#call({
      member: "SetUnitProperties",
      signature: "sba(sv)",
      values: [name, true, toBusProperties(properties)],
    });
    // systemd answers before it writes, and writes before it reads another message.
    await this.#askVersion();
  }

  /** Major version of systemd; asked for once. */
  async version(): Promise<number> {
    this.#version ??= await this.#askVersion();
    return this.#version;
  }

  async #askVersion(): Promise<number> {
    const { reply } = await this.#call({
      interface: "org.freedesktop.DBus.Properties",
      member: "Get",
      signature: "ss",
      values: [managerInterface, "Version"],
    });
    return Number.parseInt(/\d+/.exec(reply ?? "")?.[0] ?? "0", 10);
  }

  async #job(action: string, name: string, call: BusMethod): Promise<void> {
    const { jobResult } = await this.#call(call, true);
    if (jobResult === "done") return;
    throw new RunletError(
      "ERR_RUNLET_SYSTEMD",
      `systemd could not ${action} the unit ${quote(name)}: job ${jobResult}`,
      {
        hint: `see journalctl${this.#isUserInstance ? " --user" : ""} -u ${name}`,
        details: { unit: name, jobResult },
      },
    );
  }

  async #call(method: BusMethod, waitsForJob = false): ReturnType<typeof callSystemd> {
    const { address, isPeer } = this.#address();
    try {
      return await callSystemd({
        address,
        isPeer,
        path: objectPath,
        interface: managerInterface,
        ...method,
        waitsForJob,
      });
    } catch (error) {
      if (error instanceof BusError) throw error;
      throw connectionError(error, this.#isUserInstance);
    }
  }

  /** A bus if there is one, else the manager's own socket. */
  #address(): { address: string; isPeer: boolean } {
    const runtimeDir = this.#isUserInstance ? process.env.XDG_RUNTIME_DIR : "/run";
    const [bus, own] = this.#isUserInstance
      ? [`${runtimeDir}/bus`, `${runtimeDir}/systemd/private`]
      : ["/run/dbus/system_bus_socket", "/run/systemd/private"];
    if (runtimeDir === undefined || runtimeDir === "" || (!exists(bus) && !exists(own))) {
      throw noSystemd(this.#isUserInstance);
    }
    return exists(bus) ? { address: addressOf(bus), isPeer: false } : { address: addressOf(own), isPeer: true };
  }
}

interface BusMethod {
  readonly interface?: string;
  readonly member: string;
  readonly signature: string;
  readonly values: readonly BusValue[];
}

/** D-Bus escapes what is no plain character of a path. */
function addressOf(hostPath: string): string {
  const escaped = [...Buffer.from(hostPath)].map((byte) => {
    const character = String.fromCharCode(byte);
    return /[\w/.\\*-]/.test(character) ? character : `%${byte.toString(16).padStart(2, "0")}`;
  });
  return `unix:path=${escaped.join("")}`;
}

function exists(hostPath: string): boolean {
  try {
    accessSync(hostPath);
    return true;
  } catch {
    return false;
  }
}

function noSystemd(isUserInstance: boolean): RunletError {
  return new RunletError(
    "ERR_RUNLET_SYSTEMD",
    isUserInstance
      ? "systemd is not there: no bus of a user's systemd in $XDG_RUNTIME_DIR"
      : "systemd is not there: neither /run/dbus/system_bus_socket nor /run/systemd/private exists",
    {
      hint: isUserInstance
        ? "log in as the user (loginctl enable-linger), set XDG_RUNTIME_DIR, or use --cgroup-manager=cgroupfs"
        : "use --cgroup-manager=cgroupfs, or leave out --systemd-cgroup",
    },
  );
}

function connectionError(cause: unknown, isUserInstance: boolean): RunletError {
  const { syscall } = cause as { syscall?: string };
  const errno = errnoOf(cause);
  const isLibraryMissing = syscall === "dlopen";
  return new RunletError(
    "ERR_RUNLET_SYSTEMD",
    isLibraryMissing
      ? "cannot speak to systemd: libsystemd.so.0 is not there or too old"
      : `cannot speak to ${isUserInstance ? "the user's" : "the system's"} systemd`,
    {
      syscall,
      errno: isLibraryMissing ? undefined : errno,
      hint: isLibraryMissing
        ? "install systemd's client library (libsystemd0), or use --cgroup-manager=cgroupfs"
        : "see whether dbus.service runs, or use --cgroup-manager=cgroupfs",
      cause,
    },
  );
}
