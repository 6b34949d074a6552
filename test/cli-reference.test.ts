import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { gantry } from "./support/peers.ts";

const root = new URL("../", import.meta.url);

test("docs/cli.md is up to date: node scripts/cli-reference.mjs writes the same", async () => {
  const { reference } = await import(fileURLToPath(new URL("scripts/cli-reference.mjs", root)));
  const { stdout } = await gantry(["help", "--json"]);
  expect(readFileSync(new URL("docs/cli.md", root), "utf8")).toBe(reference(JSON.parse(stdout)));
});
