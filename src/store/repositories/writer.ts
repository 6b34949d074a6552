import type { Content } from "../../content/content.ts";
import { bytesContent } from "../../content/source.ts";
import type { RepoName } from "../../reference/reference.ts";
import { manifestDigest } from "../../registry/expected.ts";
import { missingChildren } from "../../registry/refusals.ts";
import type { PushManifestOptions } from "../../registry/registry.ts";
import { summarizeManifest } from "../../spec/summary.ts";
import type { Descriptor } from "../../spec/types.ts";
import type { RepositoryContents } from "./contents.ts";
import { putManifest, setNested } from "./manifest-rows.ts";

/** The most missing children that an error lists. */
const MAX_MISSING = 100;

/** Puts a manifest into a repository. @throws MANIFEST_BLOB_UNKNOWN, DIGEST_MISMATCH */
export async function pushManifest(
  contents: RepositoryContents,
  repo: RepoName,
  bytes: Uint8Array,
  mediaType: string,
  options: PushManifestOptions,
): Promise<Descriptor> {
  const { prepare, sparse, blobs, tables, tags, key } = contents.options;
  await prepare();
  const descriptor: Descriptor = { mediaType, digest: manifestDigest(bytes, options), size: bytes.byteLength };
  const { children, subject, artifactType, annotations } = summarizeManifest(bytes);
  if (!sparse) await requireChildren(contents, repo, children);
  await contents.protect(descriptor.digest);
  const names = options.tags ?? [];
  const byDigest = names.length === 0;
  const write = async (): Promise<Content> => bytesContent(descriptor, bytes, `manifest ${descriptor.digest}`);
  do {
    await blobs.write(descriptor, write, { signal: options.signal });
    await blobs.sync();
    await tables.change(async (run) => {
      await putManifest(run, key(repo), { descriptor, subject, artifactType, annotations, byDigest });
      for (const { digest, kind } of children) {
        if (kind === "manifest") await setNested(run, key(repo), digest, true);
      }
      await tags.set(run, repo, names, descriptor);
    });
    // A delete in another repository may have removed the bytes before this one had the manifest.
  } while (!(await blobs.has(descriptor)));
  await tags.named(repo, names, descriptor);
  tags.changed();
  return descriptor;
}

async function requireChildren(
  contents: RepositoryContents,
  repo: RepoName,
  children: ReturnType<typeof summarizeManifest>["children"],
): Promise<void> {
  const missing: string[] = [];
  const seen = new Set<string>();
  for (const { digest, kind, foreign } of children) {
    // A document may list one digest a thousand times, or a thousand missing digests.
    if (foreign || seen.has(`${kind} ${digest}`) || missing.length === MAX_MISSING) continue;
    seen.add(`${kind} ${digest}`);
    if (!(await contents.hasChild(repo, digest, kind))) missing.push(digest);
  }
  if (missing.length > 0) throw missingChildren(contents.options.name, repo, missing);
}
