// npm run check:release -- vX.Y.Z: checks what must be true before a version is published.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** A maintainer replaces it by the owner of the repository. */
const placeholder = /\bOWNER\b/;

/** @returns why the files of a directory may not be published under a tag; empty if they may */
export function releaseFaults(directory, tag) {
  const read = (path) => readFileSync(join(directory, path), "utf8");
  const { version } = JSON.parse(read("package.json"));
  const settings = readdirSync(join(directory, ".github"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath.slice(directory.length + 1), entry.name));
  const unfilled = ["package.json", ...settings].filter((path) => placeholder.test(read(path)));
  const faults = unfilled.map((path) => `${path} has the placeholder OWNER: fill it in (CONTRIBUTING.md, "Release")`);
  if (tag !== `v${version}`) faults.push(`the tag is ${tag}, but package.json has the version ${version}`);
  if (!read("CHANGELOG.md").includes(`\n## [${version}]`)) faults.push(`CHANGELOG.md has no section [${version}]`);
  return faults;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const faults = releaseFaults(process.cwd(), process.argv[2]);
  for (const fault of faults) console.error(fault);
  console.log(`release: ${faults.length} faults`);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
