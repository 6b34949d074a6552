import { execFile, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { onTestFinished } from "vitest";

export const main: string = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

const has = (program: string): boolean =>
  ["/usr/bin", "/usr/sbin", "/bin", "/sbin"].some((path) => existsSync(join(path, program)));

/** Why a test that needs these programs, or root, cannot run here; undefined if it can. */
export function missing(options: { programs?: readonly string[]; root?: boolean }): string | undefined {
  const absent = (options.programs ?? []).filter((program) => !has(program));
  if (absent.length > 0) return `needs ${absent.join(", ")}: npm test installs it, as root on Debian`;
  if (options.root && process.getuid?.() !== 0) return "needs root";
  return process.platform === "linux" ? undefined : "needs Linux";
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the built command as a user would. */
export function gantry(
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; timeout?: number; input?: string } = {},
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], { env: { ...process.env, ...options.env } });
    const timer = setTimeout(() => child.kill("SIGKILL"), options.timeout ?? 120_000);
    child.stdin.end(options.input);
    const output = { stdout: "", stderr: "" };
    child.stdout.on("data", (data: Buffer) => {
      output.stdout += data.toString();
    });
    child.stderr.on("data", (data: Buffer) => {
      output.stderr += data.toString();
    });
    child.on("error", reject).on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code: code ?? (signal === "SIGKILL" ? 137 : 1), ...output });
    });
  });
}

/** Runs another program without blocking this process, whose server it may use. Throws its stderr if it fails. */
export async function peer(program: string, args: readonly string[], cwd?: string): Promise<string> {
  return (await promisify(execFile)(program, args, { cwd, maxBuffer: 1 << 28, timeout: 120_000 })).stdout;
}

export const skopeo = (...args: string[]): Promise<string> => peer("skopeo", ["--insecure-policy", ...args]);

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Debian's docker-registry on a free port, until the test ends; `more` are lines of its configuration. */
export async function dockerRegistry(
  directory: string,
  more: readonly string[] = [],
  tls?: { readonly certificate: string; readonly key: string; readonly clientCas?: string },
): Promise<string> {
  const host = `127.0.0.1:${await freePort()}`;
  await mkdir(directory, { recursive: true });
  const config = join(directory, "config.yml");
  await writeFile(
    config,
    [
      "version: 0.1",
      "log: { level: error, accesslog: { disabled: true } }",
      `storage: { filesystem: { rootdirectory: ${directory}/data }, delete: { enabled: true } }`,
      `http: { addr: "${host}"${tls ? `, tls: { certificate: ${tls.certificate}, key: ${tls.key}${tls.clientCas ? `, clientcas: [${tls.clientCas}]` : ""} }` : ""} }`,
      ...more,
    ].join("\n"),
  );
  const child = spawn("docker-registry", ["serve", config], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  await answers(host);
  return host;
}

export async function answers(host: string): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const ok = await fetch(`http://${host}/v2/`).then(
      (
        response, // 401 asks for a password, 400 is the answer of a TLS server to plain http: the server is up.
      ) => [200, 400, 401].includes(response.status),
      () => false,
    );
    if (ok) return;
    await sleep(50);
  }
  throw new Error(`nothing answers at ${host}`);
}

/** A small real image: files of Debian packages of this machine, and a layer with every kind of entry. */
export async function debianImage(directory: string): Promise<string> {
  const script = fileURLToPath(new URL("../fixtures/make-image.sh", import.meta.url));
  await peer("bash", [script, directory]);
  return directory;
}

/** The index.json of a layout. */
export function readIndex(layout: string): { manifests: { digest: string; annotations?: Record<string, string> }[] } {
  return JSON.parse(readFileSync(join(layout, "index.json"), "utf8"));
}
