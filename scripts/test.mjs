// npm test: sets up what the tests need, runs everything, and ends with "N passed, N failed, N skipped".
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { ensureBuilt, ensureInstalled } from "./setup.mjs";

/** Debian packages by the program, or the path, that shows that they are there. */
const packages = {
  "docker-registry": "docker-registry",
  skopeo: "skopeo",
  umoci: "umoci",
  attr: "getfattr",
  "libcap2-bin": "setcap",
  tar: "tar",
  "libarchive-tools": "bsdtar",
  "busybox-static": "busybox",
  buildah: "buildah",
  podman: "podman",
  openssl: "openssl",
  "nginx-light": "nginx",
  "golang-go": "go",
  "golang-github-opencontainers-image-spec-dev": "/usr/share/gocode/src/github.com/opencontainers/image-spec",
  "postgresql-15": "/usr/lib/postgresql/15/bin/initdb",
};
/** The Node that has node:sqlite, as the tests use it beside the one that they run on. */
const newerNode = "22.23.3";
const args = process.argv.slice(2);
const has = (program) =>
  program.startsWith("/")
    ? existsSync(program)
    : ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin"].some((path) => existsSync(join(path, program)));

async function ensurePackages() {
  const names = Object.keys(packages);
  process.stderr.write(`tests need these Debian packages: ${names.join(" ")}\n`);
  const missing = names.filter((name) => !has(packages[name]));
  if (missing.length === 0) return;
  const canInstall = existsSync("/etc/debian_version") && process.getuid?.() === 0;
  if (!canInstall) {
    process.stderr.write(
      `missing: ${missing.join(" ")}; the tests that need them are skipped. Install them with apt-get, as root on Debian.\n`,
    );
    return;
  }
  if (!process.env.CI && !args.includes("--setup")) {
    if (!process.stdin.isTTY) {
      process.stderr.write(
        `missing: ${missing.join(" ")}; run npm test -- --setup to install them. The tests that need them are skipped.\n`,
      );
      return;
    }
    const io = createInterface({ input: process.stdin, output: process.stderr });
    const answer = await io.question(`install ${missing.join(" ")} now? [Y/n] `);
    io.close();
    if (/^n/i.test(answer)) return;
  }
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  execFileSync("apt-get", ["update", "-qq"], { stdio: ["ignore", 2, 2], env });
  execFileSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...missing], {
    stdio: ["ignore", 2, 2],
    env,
  });
}

/** A newer Node from npm, beside the packages; never installed for those who use this one. */
function ensureNewerNode() {
  const cache = "node_modules/.cache/gantry";
  const found = join(cache, "node_modules/newer-node/package.json");
  if (existsSync(found) && JSON.parse(readFileSync(found, "utf8")).version === newerNode) return;
  if (process.platform !== "linux" || !["x64", "arm64"].includes(process.arch)) return;
  process.stderr.write(`bringing Node ${newerNode} from npm for the tests that need it\n`);
  mkdirSync(cache, { recursive: true });
  writeFileSync(join(cache, "package.json"), "{}");
  const spec = `newer-node@npm:node-linux-${process.arch}@${newerNode}`;
  execFileSync(
    "npm",
    ["install", "--prefix", cache, "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", spec],
    {
      stdio: ["ignore", 2, 2],
    },
  );
}

await ensurePackages();
ensureInstalled();
ensureNewerNode();
ensureBuilt();
const output = join(mkdtempSync(join(tmpdir(), "gantry-results-")), "results.json");
const filters = args.filter((arg) => arg !== "--setup" && arg !== "--long");
const scale = process.env.GANTRY_TEST_SCALE ?? (args.includes("--long") ? "1" : "0.1");
const run = spawnSync(
  process.execPath,
  [
    "node_modules/vitest/vitest.mjs",
    "run",
    "--reporter=dot",
    "--reporter=json",
    `--outputFile.json=${output}`,
    ...filters,
  ],
  { stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, GANTRY_TEST_SCALE: scale } },
);
const results = existsSync(output) ? JSON.parse(readFileSync(output, "utf8")) : undefined;
const all = results?.testResults.flatMap((file) => file.assertionResults) ?? [];
const count = (...states) => all.filter((result) => states.includes(result.status)).length;
// A file that could not be loaded has no results of its own, and counts as one failure.
const broken =
  results?.testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.every((r) => r.status !== "failed"),
  ).length ?? 1;
for (const { fullName } of all.filter((result) => ["pending", "skipped", "todo"].includes(result.status)))
  process.stdout.write(`skipped: ${fullName}\n`);
process.stdout.write(
  `${count("passed")} passed, ${count("failed") + broken} failed, ${count("pending", "skipped", "todo")} skipped\n`,
);
process.exitCode = run.status === 0 && broken === 0 && all.length > 0 ? 0 : 1;
