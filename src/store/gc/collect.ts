import { randomUUID } from "node:crypto";
import { lstatSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { GantryError } from "../../base/error.ts";
import type { OperationOptions } from "../../base/progress.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import { withLock } from "../../sys/lock.ts";
import { blobFile, inventory } from "../directory.ts";
import { readLeases } from "../leases.ts";
import { forEachSync, restoreTrash, Trash } from "../trash.ts";
import type { Collectable } from "./collectable.ts";
import { layerNames } from "./layers.ts";
import { Marks } from "./marks.ts";

export interface GcOptions extends OperationOptions {
  /** Only report what a collection would remove. */
  readonly dryRun?: boolean | undefined;
}

export interface GcReport {
  readonly blobs: readonly { readonly digest: Digest; readonly size: number }[];
  /** Extracted layers, by the name of their directory. */
  readonly layers: readonly string[];
  /** The sum of the blobs' sizes. */
  readonly bytes: number;
  /** How many blobs stay. */
  readonly kept: number;
}

/** Blobs that are put aside together, before names and leases are read again. */
const BATCH = 1_000;

/**
 * Removes the blobs and extracted layers that no name of any namespace and no lease leads to. Other processes may pull
 * meanwhile: blobs are first put aside, then names and leases are read again, and only blobs that are still unmarked
 * are removed. A pull that looks for a blob after it was put aside does not find it and fetches it anew; a pull that
 * found it before has leased it first, so the second reading sees the lease.
 * @throws STORE_DAMAGED for a damaged document, whose children are unknown; STORE_DATABASE where the database has lost
 * names
 */
export async function collectGarbage(store: Collectable, options: GcOptions = {}): Promise<GcReport> {
  const { directory, blobs } = store;
  return withLock(
    join(directory, "gc.lock"),
    async (lock) => {
      if (!options.dryRun) await restoreTrash(blobs);
      // Each collection has its own trash: one that slept must not touch the blobs that another one has put aside.
      const trash = new Trash(blobs, randomUUID());
      const extracted = layerNames(directory);
      const marks = new Marks(store, trash, { layers: extracted.length > 0 });
      const leases = await readLeases(directory);
      for (const digest of leases.protected) marks.markMentioned(digest);
      const exported = await store.exported();
      const { generation, images } = await store.snapshot();
      requireCurrent(store, generation, exported);
      for (const { target } of images) marks.markImage(target);
      marks.markPushed(await store.pushed());
      const { garbage, kept } = await unmarkedBlobs(directory, marks);
      const layers = layerNames(directory).filter((name) => !marks.hasLayer(name.replace("/", ":")));
      if (options.dryRun) return report(garbage, layers, kept);
      const removed: { digest: Digest; size: number }[] = [];
      let seen = generation;
      for (let at = 0; at < garbage.length; at += BATCH) {
        options.signal?.throwIfAborted();
        await lock.check();
        const batch = garbage.slice(at, at + BATCH);
        await trash.putAside(batch.map(({ digest }) => digest));
        seen = await markAgain(store, marks, seen);
        const gone = await trash.empty((digest) => marks.has(digest));
        removed.push(...batch.filter(({ digest }) => gone.has(digest)));
        await store.removed([...gone]);
        options.progress?.({ type: "advance", id: "gc", done: at + batch.length });
      }
      for (const name of layers) await rm(join(directory, "layers", name), { recursive: true, force: true });
      for (const path of leases.expired) await rm(path, { force: true });
      return report(removed, layers, kept + garbage.length - removed.length);
    },
    { signal: options.signal },
  );
}

/** Blobs of a name that the database has lost must stay. @throws STORE_DATABASE */
function requireCurrent(store: Collectable, generation: number, exported: number): void {
  if (exported <= generation) return;
  throw new GantryError(
    "STORE_DATABASE",
    `the database of the store ${store.directory} is older than its index.json (its last change is ${generation}, that of index.json ${exported}): it may have been restored from a backup. Nothing was removed; \`${store.advice.command(["images", "fsck", "--rebuild"])}\` merges the names of both`,
  );
}

function report(blobs: GcReport["blobs"], layers: readonly string[], kept: number): GcReport {
  return { blobs, layers, bytes: blobs.reduce((sum, { size }) => sum + size, 0), kept };
}

/**
 * Marks the blobs that new leases and names lead to. Leases are read before names: a lease that was released earlier
 * has left a name. All images are followed again, because documents that were missing may exist now.
 * @param seen the generation of the names that are marked already
 */
async function markAgain(store: Collectable, marks: Marks, seen: number): Promise<number> {
  marks.startAgain();
  for (const digest of (await readLeases(store.directory)).protected) marks.markMentioned(digest);
  if ((await store.generation()) === seen) return seen;
  const now = await store.snapshot();
  for (const { target } of now.images) marks.markImage(target);
  marks.markPushed(await store.pushed());
  return now.generation;
}

async function unmarkedBlobs(
  directory: string,
  marks: Marks,
): Promise<{ garbage: { digest: Digest; size: number }[]; kept: number }> {
  const garbage: { digest: Digest; size: number }[] = [];
  let kept = 0;
  await forEachSync([...(await inventory(directory))].filter(isDigest), (digest) => {
    if (marks.has(digest)) {
      kept += 1;
      return;
    }
    const found = lstatSync(blobFile(join(directory, "blobs"), digest), { throwIfNoEntry: false });
    if (found?.isFile()) garbage.push({ digest, size: found.size });
  });
  return { garbage, kept };
}
