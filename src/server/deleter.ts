import type { RepoName, Tag } from "../reference/reference.ts";
import { type Digest, isDigest } from "../spec/digest.ts";
import type { Call } from "./call.ts";
import { ask } from "./errors.ts";
import { sendStatus } from "./respond.ts";

/** distribution-spec, "Deleting tags" and "Deleting Manifests". */
export async function deleteTagOrManifest(call: Call, repo: RepoName, reference: Tag | Digest): Promise<void> {
  const { registry, signal } = call;
  if (isDigest(reference)) await ask(registry.deleteManifest(repo, reference, { signal }));
  else await ask(registry.deleteTag(repo, reference as Tag, { signal }));
  sendStatus(call, 202);
}

/** distribution-spec, "Deleting Blobs". */
export async function deleteBlob(call: Call, repo: RepoName, digest: Digest): Promise<void> {
  await ask(call.registry.deleteBlob(repo, digest, { signal: call.signal }));
  sendStatus(call, 202);
}
