import { isGantryError } from "../base/error.ts";
import { parseRepoName, parseTag, type RepoName, type Tag } from "../reference/reference.ts";
import { decodeDocument } from "../spec/decode.ts";
import { type Digest, isDigest, parseDigest } from "../spec/digest.ts";
import { readDocument } from "./body.ts";
import type { Call } from "./call.ts";
import { ask } from "./errors.ts";
import { listsReferrers } from "./referrers.ts";
import { sendStatus } from "./respond.ts";
import { blobCreated, startUpload } from "./uploads.ts";

/** distribution-spec, "Pushing Manifests". A manifest that is pushed by its digest may be given tags with `?tag=`. */
export async function putManifest(call: Call, repo: RepoName, reference: Tag | Digest): Promise<void> {
  const { registry, request, signal, url } = call;
  const byDigest = isDigest(reference);
  const tags = byDigest ? url.searchParams.getAll("tag").map(parseTag) : [reference as Tag];
  const bytes = await readDocument(call);
  const mediaType = request.headers["content-type"]?.split(";")[0]?.trim();
  const document = decodeDocument(bytes, mediaType, "the manifest", call.limits);
  const options = { digest: byDigest ? reference : undefined, tags, signal };
  const { digest } = await ask(registry.pushManifest(repo, bytes, document.mediaType, options), "given bytes");
  const { subject } = document.kind === "index" ? document.index : document.manifest;
  // OCI-Subject says that the registry lists the referrers; without it, the client must keep the list.
  const listed = subject !== undefined && (await listsReferrers(call, repo, subject.digest));
  sendStatus(call, 201, {
    location: `/v2/${repo}/manifests/${digest}`,
    "docker-content-digest": digest,
    "oci-subject": listed ? subject.digest : undefined,
    "oci-tag": byDigest && tags.length > 0 ? tags.join(", ") : undefined,
  });
}

/** distribution-spec, "Mounting a blob from another repository" and "Pushing blobs". */
export async function postBlob(call: Call, repo: RepoName): Promise<void> {
  const mount = call.url.searchParams.get("mount");
  const from = call.url.searchParams.get("from");
  if (mount && from) {
    try {
      const options = { signal: call.signal };
      const mounted = await ask(call.registry.mountBlob(parseRepoName(from), repo, parseDigest(mount), options));
      return blobCreated(call, repo, mounted);
    } catch (error) {
      // A blob that cannot be mounted is uploaded.
      if (!isGantryError(error, "BLOB_UNKNOWN", "NAME_UNKNOWN", "UNSUPPORTED", "DENIED")) throw error;
    }
  }
  await startUpload(call, repo);
}
