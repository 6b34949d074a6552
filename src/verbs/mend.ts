import { exitCodeOf, GantryError, isGantryError } from "../base/error.ts";
import type { OperationOptions } from "../base/progress.ts";
import type { Provider } from "../content/source.ts";
import type { GraphOptions } from "../images/graph.ts";
import { manifestForPlatform } from "../images/select.ts";
import { type Digest, shortDigest } from "../spec/digest.ts";
import type { Descriptor, Platform } from "../spec/types.ts";
import type { Store } from "../store/store.ts";

/** Whether wrong bytes in a store may be why an image could not be read: what reads them may fail before their hash does. */
export function mayBeDamage(error: unknown): boolean {
  return exitCodeOf(error) === 5 || isGantryError(error, "UNSUPPORTED_TAR", "LIMIT_EXCEEDED");
}

/** The blobs of one image of a store whose bytes are not those of their digest, found by hashing them all. */
export async function damagedBlobs(
  store: Store,
  target: Descriptor,
  options: GraphOptions & { readonly platform?: Platform | undefined },
): Promise<readonly Descriptor[]> {
  const needed = new Map<Digest, Descriptor>();
  const noting: Provider = {
    read(descriptor, call) {
      needed.set(descriptor.digest, descriptor as Descriptor);
      return store.blobs.read(descriptor, call);
    },
  };
  const image = await manifestForPlatform(noting, target, options).catch(() => undefined);
  for (const layer of image?.manifest.layers ?? []) needed.set(layer.digest, layer);
  const damaged: Descriptor[] = [];
  for (const blob of needed.values()) if ((await store.blobs.verify(blob, options)) === false) damaged.push(blob);
  return damaged;
}

/** Removes damaged blobs from a store, says so, and brings each one anew. The image keeps its name. */
export async function mendBlobs(
  store: Store,
  damaged: readonly Descriptor[],
  source: Provider,
  { signal, progress }: OperationOptions,
): Promise<void> {
  for (const blob of damaged) {
    const { digest, size } = blob;
    const text = `the blob ${digest} in the store ${store.directory} was damaged; it was removed, and is brought anew`;
    progress?.({ type: "message", level: "warning", text });
    await store.blobs.delete(digest);
    progress?.({ type: "start", id: digest, label: shortDigest(digest), total: size });
    let done = 0;
    const onBytes = (count: number): void => {
      done += count;
      progress?.({ type: "advance", id: digest, done });
    };
    try {
      await store.blobs.write(blob, (open) => source.read(blob, { ...open, signal }), { signal, onBytes });
    } catch (error) {
      progress?.({ type: "end", id: digest, result: "failed" });
      throw error;
    }
    progress?.({ type: "end", id: digest, result: "done" });
  }
  await store.blobs.sync();
}

/** The error where a damaged blob may not be brought anew. */
export function damageError(
  store: Store,
  damaged: readonly Descriptor[],
  why: string,
  cause: unknown,
): GantryError<"DIGEST_MISMATCH"> {
  const digests = damaged.map(({ digest }) => digest);
  return new GantryError(
    "DIGEST_MISMATCH",
    `the store ${store.directory} has damaged blobs, whose bytes are not those of their digest: ${digests.join(", ")}. ${why}`,
    { cause, details: { damaged: digests } },
  );
}
