// npm run check:package: checks the tarball that npm would publish. publint and attw check its metadata and types. The
// programs of test/types are compiled against it with both ways to resolve modules that users have.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installPacked, pack } from "./packed.mjs";
import { ensureBuilt, ensureInstalled, root } from "./setup.mjs";

ensureInstalled();
ensureBuilt();
const work = mkdtempSync(join(tmpdir(), "gantry-check-"));
let faults = 0;

function check(name, script, ...args) {
  const { status, stdout } = spawnSync(process.execPath, [join(root, "node_modules", script), ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status !== 0) faults += 1;
  if (status !== 0) process.stderr.write(stdout);
  console.log(`${name}: ${status === 0 ? "no faults" : "FAILED"}`);
}

try {
  const tarball = pack(work);
  check("publint", "publint/src/cli.js", tarball, "--strict");
  check("attw", "@arethetypeswrong/cli/dist/index.js", tarball, "--profile", "esm-only");

  installPacked(work);
  for (const types of ["@types/node", "undici-types"]) {
    mkdirSync(join(work, "node_modules/@types"), { recursive: true });
    cpSync(join(root, "node_modules", types), join(work, "node_modules", types), { recursive: true });
  }
  cpSync(join(root, "test/types"), work, { recursive: true });
  writeFileSync(join(work, "package.json"), '{ "type": "module" }');
  for (const [moduleResolution, module] of [
    ["nodenext", "nodenext"],
    ["bundler", "esnext"],
  ]) {
    const args = ["-p", work, "--module", module, "--moduleResolution", moduleResolution];
    check(`types, ${moduleResolution}`, "typescript/bin/tsc", ...args);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
process.exitCode = faults > 0 ? 1 : 0;
