import { SyscallError } from "@runlet/errors";
import { binding } from "./binding.ts";

interface SystemdBinding {
  systemdCall(
    address: string,
    isPeer: boolean,
    path: string,
    interfaceName: string,
    member: string,
    signature: string,
    values: readonly BusValue[],
    waitsForJob: boolean,
    timeoutMs: number,
  ): number | Promise<BusResult>;
}

interface BusResult {
  readonly status: number;
  readonly errorName?: string;
  readonly errorMessage?: string;
  readonly reply?: string;
  readonly jobResult?: string;
}

/**
 * A value as D-Bus has it: an array or a struct is an array, a variant an array of its signature and its value, an array of
 * bytes may be a `Uint8Array`.
 */
export type BusValue = string | number | bigint | boolean | Uint8Array | readonly BusValue[];

/** A method call to systemd. */
export interface SystemdCall {
  /** Address of the bus or of systemd itself, as D-Bus writes it: `unix:path=/run/dbus/system_bus_socket`. */
  readonly address: string;
  /** Whether systemd itself is at the address, without a bus between. */
  readonly isPeer: boolean;
  /** Object path. */
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  /** Types of `values`. */
  readonly signature: string;
  readonly values: readonly BusValue[];
  /** Whether the reply is the path of a job whose end is waited for. */
  readonly waitsForJob?: boolean;
  /** Default 30 000. */
  readonly timeoutMs?: number;
}

/** What systemd answered. */
export interface SystemdReply {
  /** The reply's first value, if it is a string, an object path, or a variant of one. */
  readonly reply: string | undefined;
  /** How the job ended: `done`, `failed`, `canceled`, `timeout`, `dependency`, `skipped`. */
  readonly jobResult: string | undefined;
}

/** An error that systemd or the bus answered with. */
export class BusError extends Error {
  /** Name of the error: `org.freedesktop.systemd1.NoSuchUnit`. */
  readonly busName: string;

  constructor(busName: string, message: string) {
    super(message);
    this.name = "BusError";
    this.busName = busName;
  }
}

/**
 * Calls a method of systemd by libsystemd's sd-bus, on a thread of its own: the event loop goes on.
 *
 * @throws BusError what systemd answered.
 * @throws SyscallError named `dlopen` when this host has no libsystemd.so.0; else named `sd_bus_call` when there is no bus at the
 *   address (`ENOENT`, `ECONNREFUSED`), or no answer in time (`ETIMEDOUT`).
 * @see sd-bus(3), org.freedesktop.systemd1(5)
 */
export async function callSystemd(call: SystemdCall): Promise<SystemdReply> {
  const started = binding<SystemdBinding>().systemdCall(
    call.address,
    call.isPeer,
    call.path,
    call.interface,
    call.member,
    call.signature,
    call.values,
    call.waitsForJob ?? false,
    call.timeoutMs ?? 30_000,
  );
  if (typeof started === "number") {
    const isLibraryMissing = started === -ELIBACC || started === -ELIBBAD;
    throw new SyscallError(
      isLibraryMissing ? "dlopen" : "sd_bus_call",
      started,
      isLibraryMissing ? library : call.address,
    );
  }
  const result = await started;
  if (result.status < 0) {
    if (result.errorName !== undefined && !result.errorName.startsWith("System.Error.")) {
      throw new BusError(result.errorName, result.errorMessage ?? result.errorName);
    }
    throw new SyscallError("sd_bus_call", result.status, call.address);
  }
  return { reply: result.reply, jobResult: result.jobResult };
}

const library = "libsystemd.so.0";
const ELIBACC = 79;
const ELIBBAD = 80;
