import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parseDocument } from "yaml";
import { releaseFaults } from "../scripts/check-release.mjs";
import { temporary } from "./support/temporary.ts";

interface Step {
  readonly uses?: string;
  readonly run?: string;
}
interface Job {
  readonly uses?: string;
  readonly "timeout-minutes"?: number;
  readonly steps?: readonly Step[];
  readonly strategy?: { readonly matrix: Readonly<Record<string, readonly unknown[]>> };
}
interface Workflow {
  readonly permissions?: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

const root = fileURLToPath(new URL("..", import.meta.url));
const files = readdirSync(join(root, ".github"), { recursive: true, encoding: "utf8" }).filter((file) =>
  file.endsWith(".yml"),
);
const read = (file: string): string => readFileSync(join(root, ".github", file), "utf8");
const { scripts, engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  scripts: Record<string, string>;
  engines: { node: string };
};

test.each(files)(".github/%s is YAML", (file) => {
  const { errors, warnings } = parseDocument(read(file));
  expect([...errors, ...warnings]).toEqual([]);
});

describe.each(files.filter((file) => file.startsWith("workflows")))(".github/%s", (file) => {
  const workflow = parseDocument(read(file)).toJS() as Workflow;
  const jobs = Object.values(workflow.jobs);
  const steps = jobs.flatMap((job) => job.steps ?? []);

  test("pins every action to a commit, and names its release", () => {
    const lines = read(file).match(/^.*\buses:.*$/gm)!;
    expect(lines.filter((line) => !/uses: (?:\.\/\S+|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$/.test(line))).toEqual([]);
    for (const { uses } of jobs) if (uses) expect([uses, existsSync(join(root, uses))]).toEqual([uses, true]);
  });

  test("has only permission to read the repository, and a timeout for each job", () => {
    expect(workflow.permissions).toEqual({ contents: "read" });
    expect(jobs.filter((job) => !job.uses && !job["timeout-minutes"])).toEqual([]);
  });

  test("runs scripts that exist", () => {
    const named = steps.flatMap(({ run = "" }) => [...run.matchAll(/npm run ([\w:-]+)/g)].map((match) => match[1]!));
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });
});

test("CI tests the oldest supported Node", () => {
  const { jobs } = parseDocument(read("workflows/ci.yml")).toJS() as Workflow;
  expect(jobs["linux"]!.strategy!.matrix["node"]).toContain(Number(/\d+/.exec(engines.node)![0]));
});

test("a release is refused if a placeholder is left, or the tag or the changelog is wrong", async () => {
  const directory = await temporary();
  cpSync(join(root, ".github"), join(directory, ".github"), { recursive: true });
  writeFileSync(join(directory, "package.json"), '{"version":"1.2.3","author":"OWNER"}');
  writeFileSync(join(directory, ".github/config.yml"), "url: https://github.com/OWNER/gantry");
  writeFileSync(join(directory, "CHANGELOG.md"), "# Changelog\n\n## [Unreleased]\n");
  expect(releaseFaults(directory, "v1.2.4")).toEqual(
    expect.arrayContaining([
      expect.stringContaining("package.json has the placeholder OWNER"),
      expect.stringContaining(".github/config.yml has the placeholder OWNER"),
      "the tag is v1.2.4, but package.json has the version 1.2.3",
      "CHANGELOG.md has no section [1.2.3]",
    ]),
  );
  for (const file of readdirSync(join(directory, ".github"), { recursive: true, encoding: "utf8" }))
    if (file.endsWith(".yml")) writeFileSync(join(directory, ".github", file), "{}");
  writeFileSync(join(directory, "package.json"), '{"version":"1.2.3","author":"A. Maintainer"}');
  writeFileSync(join(directory, "CHANGELOG.md"), "# Changelog\n\n## [1.2.3] - 2027-01-01\n");
  expect(releaseFaults(directory, "v1.2.3")).toEqual([]);
});
