import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { runInNewContext } from "node:vm";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { installPacked } from "../../scripts/packed.mjs";
import { digestOf } from "../../src/spec/index.ts";
import { pushImage, seededBytes, startTestRegistry, testImage, testLayer } from "../../src/testing/index.ts";
import { newerNode, noNewerNode } from "../support/node.ts";
import { temporary } from "../support/temporary.ts";

const fixture = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Has the packed package, and what it depends on, for programs to be bundled with. */
const project = mkdtempSync(join(tmpdir(), "gantry-project-"));
beforeAll(() => installPacked(project));
afterAll(() => rmSync(project, { recursive: true, force: true }));

/** A program of a user, bundled into one file that stands alone in a directory. */
async function bundled(name: string, format: "esm" | "cjs"): Promise<string> {
  const outfile = join(await temporary(), format === "esm" ? "bundle.mjs" : "bundle.cjs");
  cpSync(fixture(name), join(project, name));
  const { errors } = await build({
    absWorkingDir: project,
    entryPoints: [name],
    bundle: true,
    platform: "node",
    format,
    outfile,
    logLevel: "error",
    // What docs/runtimes.md says: packages that are CommonJS call require.
    ...(format === "esm" && {
      banner: { js: 'import { createRequire as from } from "node:module"; const require = from(import.meta.url);' },
    }),
  });
  expect(errors).toEqual([]);
  return outfile;
}

/** Larger than what is unpacked without workers, with an attribute that only koffi can set. */
const image = testImage([
  testLayer([
    { name: "bin", type: "directory", mode: 0o755 },
    { name: "bin/large", data: seededBytes(5 << 20), mode: 0o755 },
    { name: "bin/capable", data: "x", xattrs: { "user.note": "kept" } },
  ]),
]);

async function run(file: string, node = process.execPath) {
  await using server = await startTestRegistry();
  const { digest } = await pushImage(server.registry, "app", image, "v1");
  const directory = join(file, "..");
  const { stdout } = await promisify(execFile)(node, [file, `${server.host}/app:v1`, directory], { cwd: tmpdir() });
  return { digest, directory, ...(JSON.parse(stdout) as Result) };
}

describe.each(["esm", "cjs"] as const)("a program that is bundled into one %s file", (format) => {
  test("unpacks with workers, and says which optional packages are missing", async () => {
    const result = await run(await bundled("program.mjs", format));
    expect(result).toMatchObject({ workers: 2, entries: 3 });
    expect(readFileSync(join(result.directory, "rootfs/bin/large")).equals(seededBytes(5 << 20))).toBe(true);
    expect(result.warnings).toEqual([expect.stringMatching(/extended attributes .* the optional package koffi$/)]);
    if (process.versions.node.startsWith("20."))
      expect(result.pulled).toMatch(/needs Node 22\.13 or the optional package libsql, which cannot be loaded: /);
    else expect(result.pulled).toBe(result.digest);
  });

  test("finds optional packages beside it, in the workers too", async () => {
    const file = await bundled("program.mjs", format);
    mkdirSync(join(file, "../node_modules"));
    for (const name of readdirSync(join(project, "node_modules")))
      if (/^(?:koffi|@koromix|@libsql)$/.test(name))
        cpSync(join(project, "node_modules", name), join(file, "../node_modules", name), { recursive: true });
    const { warnings, pulled, digest } = await run(file);
    expect(warnings).toEqual([]);
    expect(pulled).toBe(digest);
  });

  test.skipIf(noNewerNode)(
    `needs no optional package for the store on a newer Node${noNewerNode ? ` (${noNewerNode})` : ""}`,
    async () => {
      const { pulled, digest } = await run(await bundled("program.mjs", format), newerNode);
      expect(pulled).toBe(digest);
    },
  );
});

test("gantry/spec and gantry/reference run in a browser as they do in Node", async () => {
  cpSync(fixture("browser.mjs"), join(project, "browser.mjs"));
  const { outputFiles } = await build({
    absWorkingDir: project,
    entryPoints: ["browser.mjs"],
    bundle: true,
    write: false,
    platform: "browser",
    format: "iife",
    globalName: "bundle",
  });
  // What the bundle uses of a browser; there is no Buffer, no process and no require.
  const globals: Record<string, unknown> = { Uint8Array, TextEncoder, TextDecoder, atob };
  runInNewContext(`${outputFiles[0]!.text}\nglobalThis.bundle = bundle;`, globals);
  const { page } = (await import(pathToFileURL(join(project, "browser.mjs")).href)) as Module;
  const bytes = new Uint8Array(image.documents.at(-1)!.bytes);
  const found = page(bytes);
  expect(JSON.parse(JSON.stringify((globals["bundle"] as Module).page(bytes)))).toEqual(
    JSON.parse(JSON.stringify(found)),
  );
  expect(found).toMatchObject({ digests: [image.descriptor.digest, expect.any(String), digestOf(bytes, "sha512")] });
});

interface Result {
  readonly workers: number;
  readonly entries: number;
  readonly warnings: readonly string[];
  readonly pulled: string;
}

interface Module {
  page(bytes: Uint8Array): object;
}
