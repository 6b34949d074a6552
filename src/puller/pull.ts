import type { Limits } from "../base/limits.ts";
import type { OperationOptions } from "../base/progress.ts";
import { hostPlatform } from "../images/platform.ts";
import type { PlatformChoice } from "../images/select.ts";
import type { Store } from "../store/store.ts";
import { type CopyResult, copyImage } from "../transfer/copy.ts";
import type { ImageSource } from "../transfer/plan.ts";

export interface PullImageOptions extends OperationOptions {
  readonly source: ImageSource;
  readonly store: Store;
  /** The name that the image gets in the store. */
  readonly name: string;
  /** Default: the host's platform, and any platform where the image is not an index. */
  readonly platforms?: PlatformChoice | undefined;
  /** Blobs that are fetched at once. Default: 3. */
  readonly parallel?: number | undefined;
  readonly limits?: Limits | undefined;
}

export interface PullResult extends CopyResult {
  /** The name in the store: the reference in full. */
  readonly name: string;
}

/**
 * Pulls an image into a store, verified. The name is set last: a pull that fails sets no name, and the complete blobs
 * stay for the next try.
 * @throws LOCK_LOST where this process slept so long that pulled blobs may have been collected
 */
export async function pullImage(options: PullImageOptions): Promise<PullResult> {
  const { source, store, name, platforms = [hostPlatform()], parallel, signal, progress, limits } = options;
  // A store that cannot be written to fails before the registry is asked.
  await store.prepare();
  const registry = store.writer(`pull ${name}`);
  try {
    const result = await copyImage(
      source,
      { registry, repo: source.repo, name },
      {
        platforms,
        preferred: options.platforms === undefined,
        partial: "index",
        parallel,
        signal,
        progress,
        limits,
      },
    );
    // Every blob is on the disk before a name leads to it.
    await store.blobs.sync();
    await store.images.set(name, result.descriptor);
    await registry.checkLease();
    return { name, ...result };
  } finally {
    await registry.release();
  }
}
