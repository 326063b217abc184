import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const packagePath = join(dirname(fileURLToPath(import.meta.url)), "..");

it("is generated from the types as they are", { timeout: 60_000 }, () => {
  execFileSync(process.execPath, [join(packagePath, "scripts/generate-schema.js"), "--check"], { stdio: "pipe" });
});

it("carries ranges, patterns and descriptions", () => {
  const schema = readFileSync(join(packagePath, "generated/config.json"), "utf8");
  const { definitions } = JSON.parse(schema);
  expect(definitions.Uint32).toMatchObject({ type: "integer", minimum: 0, maximum: 4294967295 });
  expect(definitions.POSIXRlimit.properties.type.pattern).toBe("^RLIMIT_[A-Z]+$");
  expect(definitions.LinuxSyscall.properties.names.minItems).toBe(1);
  expect(definitions.NamespaceType.enum).toContain("time");
  expect(definitions.Process.required).toEqual(["user", "cwd"]);
  expect(schema).toContain('"maximum": 18446744073709551615');
  expect(schema).toContain('"minimum": -9223372036854775808');
  expect(schema).not.toMatch(/anyOf|oneOf/);
});
