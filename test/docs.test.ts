import { existsSync, readdirSync, readFileSync } from "node:fs";
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
    if (!ts.isExportDeclaration(statement))
      throw new Error(`${path} declares something; it should only export what other files declare`);
    const { exportClause, moduleSpecifier } = statement;
    if (exportClause && ts.isNamedExports(exportClause)) return exportClause.elements.map(({ name }) => name.text);
    return declaredIn(join(path, "..", (moduleSpecifier as ts.StringLiteral).text));
  });
}

/** The exported types of a file that an index.ts exports whole. */
function declaredIn(path: string): string[] {
  return parse(path).statements.flatMap((statement) =>
    ts.isTypeAliasDeclaration(statement) || ts.isInterfaceDeclaration(statement) ? [statement.name.text] : [],
  );
}

/** Every identifier in the code spans of a page. A name in an example alone is not explained. */
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

test("every page of docs/api belongs to a public room, and README.md links to it", () => {
  const pages = readdirSync(join(root, "docs/api")).map((file) => file.replace(/\.md$/, ""));
  expect(pages.sort()).toEqual(rooms.map(({ page }) => page).sort());
  const readme = readFileSync(join(root, "README.md"), "utf8");
  expect(pages.filter((page) => !readme.includes(`docs/api/${page}.md`))).toEqual([]);
});

test("docs/errors.md has a row for every code, with its exit code", () => {
  const rows = [...readFileSync(join(root, "docs/errors.md"), "utf8").matchAll(/^\| `([A-Z_0-9]+)` *\| (\d) /gm)];
  expect(Object.fromEntries(rows.map(([, code, exit]) => [code, Number(exit)]))).toEqual(exitCodes);
});

test("every file that architecture, decisions and CONTRIBUTING name exists", () => {
  const decisions = readdirSync(join(root, "docs/decisions")).map((file) => `docs/decisions/${file}`);
  const named = ["docs/architecture.md", "CONTRIBUTING.md", ...decisions].flatMap((page) => {
    const spans = readFileSync(join(root, page), "utf8").matchAll(/`(?:src\/)?([a-z]+\/[a-z/-]+\.ts)`/g);
    return [...spans].map(([, path]) => path!);
  });
  expect(named.length).toBeGreaterThan(40);
  expect(named.filter((path) => !existsSync(join(root, "src", path)))).toEqual([]);
});
