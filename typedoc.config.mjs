// npm run docs: the site of the public rooms. What a public signature uses and no room exports is a fault.
import { readFileSync } from "node:fs";
import { Converter, ReflectionKind } from "typedoc";

const { exports } = JSON.parse(readFileSync("package.json", "utf8"));
const rooms = Object.entries(exports).flatMap(([name, { types }]) => (types ? [[name, types.split("/")[2]]] : []));
const names = new Map(rooms.map(([name, room]) => [room, name === "." ? "gantry" : `gantry/${name.slice(2)}`]));

/** The codes of one room each: what they make up, `ErrorCode`, is exported. */
const codes = readFileSync("src/base/codes.ts", "utf8").match(/(?<=^type )\w+ErrorCode\b/gm);

/** Modules have the names that programs import. */
function named(app) {
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (_context, reflection) => {
    if (reflection.kindOf(ReflectionKind.Module)) reflection.name = names.get(reflection.name) ?? reflection.name;
  });
}

const config = {
  entryPoints: rooms.map(([, room]) => `src/${room}/index.ts`),
  out: "site",
  name: "gantry",
  readme: "docs/api/gantry.md",
  projectDocuments: ["docs/api/!(gantry).md"],
  includeVersion: true,
  disableSources: true,
  excludePrivate: true,
  excludeInternal: true,
  plugin: [named],
  // A RepositoryRegistry is made by a store or a served layout alone.
  intentionallyNotExported: [...codes, "RepositoryOptions"],
  validation: { notExported: true, invalidLink: true, rewrittenLink: true },
  treatWarningsAsErrors: true,
  treatValidationWarningsAsErrors: true,
};

export default config;
