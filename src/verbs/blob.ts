import { GantryError } from "../base/error.ts";
import type { ChunkWriter } from "../content/chunk-writer.ts";
import { isDigest } from "../spec/digest.ts";
import type { Location } from "./location.ts";
import type { LookOptions } from "./look.ts";
import { open } from "./open.ts";

/**
 * Passes on the bytes of a blob, which a location names by digest. The last bytes are passed on only after size and
 * digest are verified.
 * @throws DIGEST_MISMATCH, BLOB_UNKNOWN, USAGE
 */
export async function blob(location: string | Location, write: ChunkWriter, options: LookOptions = {}): Promise<void> {
  const { signal } = options;
  await using opened = open(location, options);
  const { name, registry, repo, reference } = opened;
  if (reference === undefined || !isDigest(reference)) {
    throw new GantryError("USAGE", `${name}: a blob is named by its digest, as in REPO@sha256:...`);
  }
  const content = await registry.getBlob(repo, reference, { signal });
  await content.pipe(write, { signal });
}
