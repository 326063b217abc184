import { defaultSpec } from "@runlet/spec";
import { describe, expect, it } from "vitest";
import {
  type Issue,
  validateConfig,
  validateFeatures,
  validateProcess,
  validateResources,
  validateSpec,
  validateState,
} from "./index.ts";

const minimal =
  '{"ociVersion": "1.3.0", "root": {"path": "rootfs"}, "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/", "args": ["/x"]}}';

/** `LINE:COLUMN pointer rule: message`, and the hint where there is one. */
function lines(issues: readonly Issue[]): string[] {
  return issues.map(({ line, column, pointer, rule, message, hint }) => {
    return `${line}:${column} ${pointer} ${rule}: ${message}${hint === undefined ? "" : `; ${hint}`}`;
  });
}

function issuesOf(text: string): string[] {
  return lines(validateConfig(text).issues);
}

describe("validateConfig", () => {
  it("gives the config and no issue", () => {
    expect(validateConfig(minimal)).toEqual({ spec: JSON.parse(minimal), issues: [] });
    expect(validateConfig(new TextEncoder().encode(`\ufeff${minimal}`)).issues).toEqual([]);
  });

  it("finds all issues at once, in the order of the text", () => {
    const text = `{
  "ociVersion": "1.3.0",
  "hostname": "orion",
  "process": {
    "user": { "uid": -1, "gid": 0 },
    "cwd": "srv",
    "args": [],
    "noNewPrivileges": "true"
  },
  "root": { "path": "rootfs" },
  "linux": {
    "namespaces": [{ "type": "net" }, { "type": "pid" }, { "type": "pid" }],
    "resources": { "pids": { "limit": "512" } }
  }
}`;
    const { spec, issues } = validateConfig(text);
    expect(spec).toBeUndefined();
    expect(lines(issues)).toEqual([
      '3:15 /hostname hostname.utsNamespace: a hostname needs a uts namespace; add {"type": "uts"} to /linux/namespaces',
      "5:22 /process/user/uid schema.integer: must be a whole number from 0 to 4294967295, not -1",
      '6:12 /process/cwd process.cwd: the working directory "srv" is not an absolute path',
      '7:13 /process/args process.args: the process has no executable to run; put it first in "args"',
      '8:24 /process/noNewPrivileges schema.type: must be true or false, not "true"',
      '12:30 /linux/namespaces/0/type schema.enum: must be one of user, mount, pid, network, ipc, uts, cgroup, time, not "net"; did you mean "network"?',
      "12:58 /linux/namespaces/2 namespaces.unique: the pid namespace is there already, at /linux/namespaces/1",
      '13:39 /linux/resources/pids/limit schema.integer: must be a whole number from -9223372036854775808 to 9223372036854775807, not "512"; remove the quotes',
    ]);
    expect(issues.map(({ spec }) => spec)).toEqual([
      "config.md#hostname",
      "config.md#user",
      "config.md#process",
      "config.md#process",
      "config.md#linux-process",
      "config-linux.md#namespaces",
      "config-linux.md#namespaces",
      "config-linux.md#pids",
    ]);
  });

  it("gives the config with warnings", () => {
    const { spec, issues } = validateConfig(minimal.replace('"cwd"', '"cdw": 1, "cwd"'));
    expect(spec?.process?.cwd).toBe("/");
    expect(issues.map(({ severity }) => severity)).toEqual(["warning"]);
  });

  it.each([
    ["", "1:1  json.syntax: expected a value, found the end of the text"],
    ["[]", "1:1  schema.type: must be an object, not an array"],
    ["null", "1:1  schema.type: must be an object, not null"],
    ["7", "1:1  schema.type: must be an object, not 7"],
  ])("says that %j is no config", (text, line) => {
    expect(issuesOf(text)).toEqual([line]);
  });

  it("names what is missing", () => {
    expect(issuesOf("{}")).toEqual([
      '1:1  schema.required: the field "ociVersion" is missing; add "ociVersion": "1.3.0"',
      '1:1  process.required: the field "process" is missing: there is nothing to start',
      '1:1  root.required: the field "root" is missing: Linux needs a root filesystem',
    ]);
    const withoutProcess = '{"ociVersion": "1.3.0", "root": {"path": "rootfs"}}';
    expect(validateConfig(withoutProcess).spec).toBeUndefined();
    expect(validateConfig(withoutProcess, { allowMissingProcess: true }).issues).toEqual([]);
  });

  it("suggests the value that was meant", () => {
    expect(
      issuesOf(minimal.replace('"process"', '"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ERNO"}}, "process"')),
    ).toEqual([
      expect.stringMatching(
        /^1:\d+ \/linux\/seccomp\/defaultAction schema\.enum: .*; did you mean "SCMP_ACT_ERRNO"\?$/,
      ),
    ]);
  });

  it("warns about a name that occurs twice, at the later one", () => {
    expect(issuesOf(`${minimal.slice(0, -1)},\n "ociVersion": "1.0.2"}`)).toEqual([
      "2:2 /ociVersion json.duplicateKey: the name occurs twice in its object; the last one counts",
    ]);
  });

  it("refuses a zero character, which would end the string in the kernel", () => {
    const text = minimal.replace('"/x"', '"/x\\u0000y"').replace('"root"', '"annotations": {"a\\u0000": "b"}, "root"');
    expect(validateConfig(text).issues.map(({ rule, pointer }) => [rule, pointer])).toEqual([
      ["json.zeroByte", "/annotations/a\0"],
      ["json.zeroByte", "/process/args/0"],
    ]);
  });

  it("refuses a text that is too long", () => {
    expect(lines(validateConfig(minimal, { maximumBytes: 100 }).issues)).toEqual([
      "1:1  json.size: the text has more than 100 bytes",
    ]);
    expect(validateConfig(minimal, { maximumBytes: minimal.length }).issues).toEqual([]);
    expect(validateConfig(" ".repeat(16 * 1024 * 1024 + 1)).issues[0]?.rule).toBe("json.size");
  });

  it("says where bytes are not UTF-8", () => {
    const bytes = new TextEncoder().encode('{"ociVersion":\n "é?"}');
    bytes[bytes.indexOf(0x3f)] = 0xff;
    expect(lines(validateConfig(bytes).issues)).toEqual(["2:4  json.encoding: the byte 0xff is not UTF-8"]);
    expect(validateConfig(new Uint8Array([0x22, 0xc3])).issues[0]).toMatchObject({ rule: "json.encoding", column: 2 });
  });

  it("does not know the value of a number with an exponent beyond 2^53", () => {
    const text = minimal.replace('"cwd"', '"rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 1e19}], "cwd"');
    expect(validateConfig(text).issues[0]?.hint).toMatch(/write it out in digits/);
  });

  it("knows users by name on Windows, and no rule of Linux", () => {
    const text = `{"ociVersion": "1.3.0", "root": {"path": "C:\\\\x"}, "windows": {"layerFolders": ["C:\\\\x"]},
      "process": {"user": {"username": "service"}, "cwd": "C:\\\\", "commandLine": "server.exe"},
      "mounts": [{"destination": "C:\\\\data", "source": "C:\\\\host"}]}`;
    expect(issuesOf(text)).toEqual([]);
  });
});

describe("unknown fields", () => {
  it.each([
    ['"hostName": "x"', "/hostName", 'did you mean "hostname"?'],
    ['"rootfsPropagation": "slave"', "/rootfsPropagation", "did you mean /linux/rootfsPropagation?"],
    ['"memory": {"limit": 1}', "/memory", "did you mean /linux/resources/memory?"],
    ['"capabilties": {}', "/capabilties", "did you mean /process/capabilities?"],
    ['"names": []', "/names", "did you mean /linux/seccomp/syscalls/names?"],
    ['"qqqqqqqq": 0', "/qqqqqqqq", undefined],
    ['"linux": {"namespace": []}', "/linux/namespace", 'did you mean "namespaces"?'],
    [
      '"linux": {"resources": {"rdma": {"mlx5_1": {"hcaObjects": 1, "hcaHandle": 1}}}}',
      "/linux/resources/rdma/mlx5_1/hcaHandle",
      'did you mean "hcaHandles"?',
    ],
    ['"mounts": [{"destination": "/x", "type": "tmpfs", "option": []}]', "/mounts/0/option", 'did you mean "options"?'],
  ])("suggests for %s", (member, pointer, hint) => {
    const { spec, issues } = validateConfig(`{${member}, ${minimal.slice(1)}`);
    expect(spec).toBeDefined();
    expect(issues).toHaveLength(1);
    expect(issues[0]).toMatchObject({ severity: "warning", rule: "fields.unknown", pointer });
    expect(issues[0]?.hint).toBe(hint);
  });

  it("cannot be taken for those of Object.prototype", () => {
    const { issues } = validateConfig(
      `{"toString": 1, "__proto__": {"process": 1}, "constructor": {}, ${minimal.slice(1)}`,
    );
    expect(issues.map(({ pointer }) => pointer)).toEqual(["/toString", "/__proto__", "/constructor"]);
  });
});

describe("validateSpec", () => {
  it("takes a config that a program made, bigint and undefined included", () => {
    const spec = { ...defaultSpec(), annotations: undefined };
    if (spec.process !== undefined) spec.process.rlimits = [{ type: "RLIMIT_CORE", soft: 5, hard: 2n ** 64n - 1n }];
    const { spec: copy, issues } = validateSpec(spec as never);
    expect(issues).toEqual([]);
    expect(copy?.process?.rlimits?.[0]?.hard).toBe(2n ** 64n - 1n);
    expect(copy).not.toBe(spec);
  });

  it("places issues in the config as it is written", () => {
    const { issues } = validateSpec({ ...defaultSpec(), ociVersion: "3" });
    expect(lines(issues)).toEqual([
      '2:17 /ociVersion ociVersion.semVer: "3" is not a version of the form MAJOR.MINOR.PATCH; write "1.3.0"',
    ]);
  });
});

describe("validateProcess", () => {
  it("holds a process.json against the rules of a process", () => {
    const text =
      '{"user": {"uid": 0, "gid": 0}, "cwd": "x", "args": ["/x"], "rlimits": [{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}]}';
    const { value, issues } = validateProcess(text);
    expect(value).toBeUndefined();
    expect(issues.map(({ rule, pointer }) => [rule, pointer])).toEqual([
      ["process.cwd", "/cwd"],
      ["rlimits.order", "/rlimits/0/soft"],
    ]);
    expect(validateProcess('{"user": {"uid": 0, "gid": 0}, "cwd": "/", "args": ["/x"]}').value?.args).toEqual(["/x"]);
  });
});

describe("validateResources", () => {
  it("holds resources against their rules", () => {
    const { issues } = validateResources('{"pids": {"limit": -3}, "devices": [{"allow": true}], "memry": {}}');
    expect(issues.map(({ rule, pointer, hint }) => [rule, pointer, hint])).toEqual([
      ["resources.pids.limit", "/pids/limit", "-1 is no limit"],
      ["resources.devices.access", "/devices/0", 'write "access": "rwm" for all'],
      ["fields.unknown", "/memry", 'did you mean "memory"?'],
    ]);
    expect(validateResources('{"memory": {"swap": 5000}}').issues).toEqual([]);
    expect(validateResources('{"memory": {"limit": 9223372036854775807}}').value?.memory?.limit).toBe(2n ** 63n - 1n);
  });
});

describe("validateState", () => {
  it("holds a state against its schema", async () => {
    const state = '{"ociVersion": "1.3.0", "id": "a", "status": "running", "pid": 7, "bundle": "/b"}';
    expect((await validateState(state)).value?.pid).toBe(7);
    const { issues } = await validateState(state.replace("running", "runing"));
    expect(issues.map(({ pointer, hint }) => [pointer, hint])).toEqual([["/status", 'did you mean "running"?']]);
  });
});

describe("validateFeatures", () => {
  it("holds features against their schema", async () => {
    const features = '{"ociVersionMin": "1.0.0", "ociVersionMax": "1.3.0", "linux": {"seccomp": {"enabled": true}}}';
    expect((await validateFeatures(features)).issues).toEqual([]);
    const { issues } = await validateFeatures(
      features.replace("true", "1").replace("ociVersionMin", "ociVersionMinimum"),
    );
    expect(issues.map(({ rule, pointer }) => [rule, pointer])).toEqual([
      ["schema.required", ""],
      ["fields.unknown", "/ociVersionMinimum"],
      ["schema.type", "/linux/seccomp/enabled"],
    ]);
  });
});
