import { describe, expect, it } from "vitest";
import { rulesOfConfig, rulesOfLinux, rulesOfStart } from "../../src/rules/index.ts";
import { issuesAfter } from "./example.ts";
import { harmless } from "./harmless.ts";
import { linuxFixtures } from "./linux.ts";
import { namespacesFixtures } from "./namespaces.ts";
import { processFixtures } from "./process.ts";
import { resourcesFixtures } from "./resources.ts";

const fixtures = [...processFixtures, ...namespacesFixtures, ...resourcesFixtures, ...linuxFixtures];

describe("each rule finds", () => {
  it.each(fixtures)("%s at %s (%s)", (rule, pointer, severity, change) => {
    const issues = issuesAfter(change);
    expect(issues.map((issue) => `${issue.rule} ${issue.pointer} ${issue.severity}`)).toEqual([
      `${rule} ${pointer} ${severity}`,
    ]);
    const [issue] = issues;
    expect(issue?.spec).toMatch(/^config(-linux)?\.md#[a-z-]+$/);
    expect(issue?.message).toMatch(/[^.]$/);
  });
});

describe("no rule minds", () => {
  it.each(harmless)("%s", (_, change) => {
    expect(issuesAfter(change)).toEqual([]);
  });
});

it("has a fixture for each rule", () => {
  const rules = new Set([...rulesOfConfig, ...rulesOfStart, ...rulesOfLinux].map(({ id }) => id));
  expect([...rules].filter((id) => !fixtures.some(([rule]) => rule === id))).toEqual([]);
  expect(rules.size).toBeGreaterThan(60);
});

it("has each rule once", () => {
  const ids = [...rulesOfConfig, ...rulesOfStart, ...rulesOfLinux].map(({ id }) => id);
  expect(ids).toHaveLength(new Set(ids).size);
});
