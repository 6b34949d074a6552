import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, chown, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const bin = "/usr/lib/postgresql/15/bin";

/** Why a test that needs PostgreSQL cannot run here; undefined if it can. */
export const noPostgres: string | undefined = existsSync(join(bin, "initdb"))
  ? undefined
  : "needs postgresql-15: npm test installs it, as root on Debian";

export interface Postgres {
  /** An address of a new, empty database. */
  database(): Promise<string>;
  stop(): Promise<void>;
}

/** Starts a PostgreSQL 15 server for tests, on a socket in a new directory. */
export async function startPostgres(): Promise<Postgres> {
  const work = await mkdtemp(join(tmpdir(), "gantry-postgres-"));
  const data = join(work, "data");
  await mkdir(data);
  const root = process.getuid?.() === 0;
  // PostgreSQL refuses to run as root.
  if (root) {
    const [uid, gid] = ["-u", "-g"].map((flag) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" })));
    await chmod(work, 0o711);
    await chown(data, uid!, gid!);
    await chown(work, uid!, gid!);
  }
  const as = (program: string, ...args: string[]): [string, string[]] =>
    root ? ["setpriv", ["--reuid=postgres", "--regid=postgres", "--clear-groups", program, ...args]] : [program, args];
  const run = (program: string, ...args: string[]): string =>
    execFileSync(...as(join(bin, program), ...args), { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], cwd: "/" });
  run("initdb", "-D", data, "-U", "gantry", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync");
  const settings = ["-c", "listen_addresses=", "-c", `unix_socket_directories=${work}`, "-c", "fsync=off"];
  const child = spawn(...as(join(bin, "postgres"), "-D", data, ...settings), { stdio: "ignore", cwd: "/" });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  for (let tries = 0; tries < 200; tries += 1) {
    try {
      run("psql", "-h", work, "-U", "gantry", "-d", "postgres", "-c", "SELECT 1");
      break;
    } catch {
      await sleep(50);
    }
  }
  let count = 0;
  return {
    async database() {
      count += 1;
      run("psql", "-h", work, "-U", "gantry", "-d", "postgres", "-c", `CREATE DATABASE d${count}`);
      return `postgres://gantry@/d${count}?host=${encodeURIComponent(work)}`;
    },
    async stop() {
      const pid = Number((await readFile(join(data, "postmaster.pid"), "utf8").catch(() => "")).split("\n")[0]);
      if (pid) process.kill(pid, "SIGINT");
      await exited;
      await rm(work, { recursive: true, force: true });
    },
  };
}
