import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { temporary } from "./support/temporary.ts";

test("the benchmark of tags measures every request of two served layouts, and reports the ratios", async () => {
  const bench = fileURLToPath(new URL("../bench/tags.mjs", import.meta.url));
  const script = `import { benchTags } from ${JSON.stringify(bench)};
    const report = await benchTags(${JSON.stringify(join(await temporary(), "work"))}, { few: 100, many: 300, count: 2 });
    console.log(JSON.stringify(report));`;
  const said = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  const lines = said.trim().split("\n");
  expect(lines.slice(0, 2)).toEqual([
    expect.stringMatching(/^tags build +100 tags in \d/),
    expect.stringMatching(/^tags build +300 tags in \d/),
  ]);
  const report = JSON.parse(lines.at(-1)!);
  expect(report.map(({ name }: { name: string }) => name)).toEqual([
    "tags push",
    "tags get by tag",
    "tags get by digest",
    "tags page of tags",
  ]);
  for (const { walls, ratio, max } of report) expect([ratio, max]).toEqual([walls.many / walls.few, 1.5]);
});
