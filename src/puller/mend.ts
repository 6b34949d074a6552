import { exitCodeOf, GantryError, isGantryError } from "../base/error.ts";
import type { OperationOptions } from "../base/progress.ts";
import type { Provider } from "../content/source.ts";
import type { GraphOptions } from "../images/graph.ts";
import { manifestForPlatform } from "../images/select.ts";
import { type Digest, shortDigest } from "../spec/digest.ts";
import type { Descriptor, Platform } from "../spec/types.ts";
import type { Store } from "../store/store.ts";

export interface MendOptions<T> extends OperationOptions, GraphOptions {
  readonly store: Store;
  /** The platform of the image that is read. Default: the host's. */
  readonly platform?: Platform | undefined;
  /** Reads an image of the store. It is called again when damaged blobs were replaced. */
  readonly work: () => Promise<T>;
  /** The top document of that image; undefined where the store does not have it. */
  readonly target: () => Promise<Descriptor | undefined>;
  /** The source from which damaged blobs are fetched. Without it they are only reported. */
  readonly source: Provider | undefined;
  /** What the user can do where there is no source; the end of the message. */
  readonly advice: string;
}

/**
 * Does work that reads an image of a store. If it fails and blobs of the image are damaged, each damaged blob is
 * removed and fetched again once, and the work is repeated. The image keeps its name.
 * @throws DIGEST_MISMATCH naming the damaged blobs where there is no source; else what `work` throws
 */
export async function withMending<T>(options: MendOptions<T>): Promise<T> {
  const mended = new Set<Digest>();
  for (;;) {
    try {
      return await options.work();
    } catch (error) {
      const target = mayBeDamage(error) ? await options.target() : undefined;
      // A blob that is damaged once more is damaged at the source too.
      const damaged = (target ? await damagedBlobs(target, options) : []).filter(({ digest }) => !mended.has(digest));
      if (damaged.length === 0) throw error;
      if (!options.source) throw damageError(damaged, options, error);
      for (const blob of damaged) await replaceBlob(blob, options.source, options);
      await options.store.blobs.sync();
      for (const { digest } of damaged) mended.add(digest);
    }
  }
}

/** Whether damaged bytes may be the cause of an error. A parser may fail on them before their digest is checked. */
function mayBeDamage(error: unknown): boolean {
  return exitCodeOf(error) === 5 || isGantryError(error, "UNSUPPORTED_TAR", "LIMIT_EXCEEDED");
}

type ReadOptions = Omit<MendOptions<unknown>, "work" | "target">;

/** The damaged blobs of one image, found by hashing all of its blobs. */
async function damagedBlobs(target: Descriptor, options: ReadOptions): Promise<readonly Descriptor[]> {
  const { blobs } = options.store;
  const needed = new Map<Digest, Descriptor>();
  const noting: Provider = {
    read(descriptor, call) {
      needed.set(descriptor.digest, descriptor as Descriptor);
      return blobs.read(descriptor, call);
    },
  };
  const image = await manifestForPlatform(noting, target, options).catch(() => undefined);
  for (const layer of image?.manifest.layers ?? []) needed.set(layer.digest, layer);
  const damaged: Descriptor[] = [];
  for (const blob of needed.values()) if ((await blobs.verify(blob, options)) === false) damaged.push(blob);
  return damaged;
}

async function replaceBlob(
  blob: Descriptor,
  source: Provider,
  { store, signal, progress }: Pick<ReadOptions, "store" | "signal" | "progress">,
): Promise<void> {
  const { digest, size } = blob;
  const text = `the blob ${digest} in the store ${store.directory} was damaged; it was removed, and is fetched again`;
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

function damageError(
  damaged: readonly Descriptor[],
  { store, advice }: Pick<ReadOptions, "store" | "advice">,
  cause: unknown,
): GantryError<"DIGEST_MISMATCH"> {
  const digests = damaged.map(({ digest }) => digest);
  return new GantryError(
    "DIGEST_MISMATCH",
    `the store ${store.directory} has damaged blobs, whose bytes do not have their digest: ${digests.join(", ")}. ${advice}`,
    { cause, details: { damaged: digests } },
  );
}
