// The Debian packages that the tests need. Missing ones are installed, if this is root on Debian.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";

/** Debian packages, each with the program, or the path, that shows that it is installed. */
export const packages = {
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
  zsh: "zsh",
  fish: "fish",
  "golang-go": "go",
  "golang-github-opencontainers-image-spec-dev": "/usr/share/gocode/src/github.com/opencontainers/image-spec",
  "postgresql-15": "/usr/lib/postgresql/15/bin/initdb",
};

const has = (program) =>
  program.startsWith("/")
    ? existsSync(program)
    : ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin"].some((path) => existsSync(join(path, program)));

const say = (text) => process.stderr.write(`${text}\n`);

/**
 * Installs missing packages, as root on Debian; on a terminal it asks first. If packages cannot be installed, or the user
 * refuses, the tests that need them are skipped.
 * @param flags `--setup` installs without a question, `--no-setup` installs nothing
 */
export async function ensurePackages(flags, wanted = packages, input = process.stdin) {
  say(`tests need these Debian packages: ${Object.keys(wanted).join(" ")}`);
  const missing = Object.keys(wanted).filter((name) => !has(wanted[name]));
  if (missing.length === 0) return;
  const names = missing.join(" ");
  const skipped = "the tests that need them are skipped";
  if (flags.includes("--no-setup")) return say(`missing: ${names}; --no-setup: ${skipped}`);
  if (!existsSync("/etc/debian_version") || process.getuid?.() !== 0)
    return say(`missing: ${names}; ${skipped}. Install them with apt-get, as root on Debian.`);
  const isAsked = input.isTTY && !process.env.CI && !flags.includes("--setup");
  if (isAsked && !(await agrees(`install ${names} now? [Y/n] `, input))) return say(`missing: ${names}; ${skipped}`);
  say(`installing ${names}`);
  const options = { stdio: ["ignore", 2, 2], env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } };
  try {
    execFileSync("apt-get", ["update", "-qq"], options);
    execFileSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...missing], options);
  } catch (error) {
    say(`could not install ${names} (${error.message}); ${skipped}`);
  }
}

async function agrees(question, input) {
  const io = createInterface({ input, output: process.stderr });
  const answer = await io.question(question);
  io.close();
  return !/^n/i.test(answer);
}
