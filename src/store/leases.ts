import { randomUUID } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileSystemError } from "../sys/fs-error.ts";

/** How long a lease protects what a pull brings in, if the pull cannot say goodbye. Milliseconds. */
export const LEASE_MS: number = 60 * 60 * 1000;

/** Says that blobs without a name yet are wanted: a pull is under way. */
export interface Lease {
  readonly id: string;
  release(): Promise<void>;
}

/** Writes `leases/ID.json` with the time at which it ends by itself. `reason` is for people who look. */
export async function createLease(root: string, reason: string): Promise<Lease> {
  const id = randomUUID();
  const directory = join(root, "leases");
  const path = join(directory, `${id}.json`);
  const now = Date.now();
  const record = { id, reason, created: new Date(now).toISOString(), expires: new Date(now + LEASE_MS).toISOString() };
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await writeFile(path, JSON.stringify(record), { mode: 0o600, flag: "wx" });
  } catch (error) {
    throw await fileSystemError(error, "writing", path);
  }
  return { id, release: () => rm(path, { force: true }) };
}
