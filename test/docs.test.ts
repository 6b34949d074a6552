import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, test } from "vitest";
import { exitCodes } from "../src/base/codes.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

function parse(path: string): ts.SourceFile {
  return ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.Latest);
}

/** The names that an index.ts exports, types included. */
function exportsOf(path: string): string[] {
  return parse(path).statements.flatMap((statement) => {
    if (!ts.isExportDeclaration(statement)) throw new Error(`${path} does more than to export what others declare`);
    const { exportClause, moduleSpecifier } = statement;
    if (exportClause && ts.isNamedExports(exportClause)) return exportClause.elements.map(({ name }) => name.text);
    return declaredIn(join(path, "..", (moduleSpecifier as ts.StringLiteral).text));
  });
}

/** The exported types of a file that is passed on as a whole. */
function declaredIn(path: string): string[] {
  return parse(path).statements.flatMap((statement) =>
    ts.isTypeAliasDeclaration(statement) || ts.isInterfaceDeclaration(statement) ? [statement.name.text] : [],
  );
}

/** Every identifier in the code spans of a page; what stands in an example alone is not explained. */
function namedIn(page: string): ReadonlySet<string> {
  const prose = page.replace(/^```[\s\S]*?^```/gm, "");
  const spans = prose.match(/`[^`\n]+`/g) ?? [];
  return new Set(spans.flatMap((span) => span.match(/[A-Za-z_$][\w$]*/g) ?? []));
}

const rooms = Object.entries(JSON.parse(readFileSync(join(root, "package.json"), "utf8")).exports)
  .filter((entry): entry is [string, { types: string }] => typeof entry[1] === "object")
  .map(([name, { types }]) => ({
    page: name === "." ? "gantry" : name.slice(2),
    source: types.replace("./dist/", "src/").replace(".d.ts", ".ts"),
  }));

test.each(rooms)("every export of $source has its line in docs/api/$page.md", ({ page, source }) => {
  const names = exportsOf(join(root, source));
  expect(names.length).toBeGreaterThan(3);
  const named = namedIn(readFileSync(join(root, "docs/api", `${page}.md`), "utf8"));
  expect(names.filter((name) => !named.has(name))).toEqual([]);
});

test("every page of docs/api is that of a public room, and the README leads to it", () => {
  const pages = readdirSync(join(root, "docs/api")).map((file) => file.replace(/\.md$/, ""));
  expect(pages.sort()).toEqual(rooms.map(({ page }) => page).sort());
  const readme = readFileSync(join(root, "README.md"), "utf8");
  expect(pages.filter((page) => !readme.includes(`docs/api/${page}.md`))).toEqual([]);
});

test("docs/errors.md has a row for every code, with its exit code", () => {
  const rows = [...readFileSync(join(root, "docs/errors.md"), "utf8").matchAll(/^\| `([A-Z_0-9]+)` *\| (\d) /gm)];
  expect(Object.fromEntries(rows.map(([, code, exit]) => [code, Number(exit)]))).toEqual(exitCodes);
});
