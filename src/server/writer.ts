import { isGantryError } from "../base/error.ts";
import { parseRepoName, type RepoName, type Tag } from "../reference/reference.ts";
import { decodeDocument } from "../spec/decode.ts";
import { type Digest, isDigest, parseDigest } from "../spec/digest.ts";
import { readDocument } from "./body.ts";
import type { Call } from "./call.ts";
import { ask } from "./errors.ts";
import { sendStatus } from "./respond.ts";
import { blobCreated, startUpload } from "./uploads.ts";

/** distribution-spec, "Pushing Manifests". */
export async function putManifest(call: Call, repo: RepoName, reference: Tag | Digest): Promise<void> {
  const bytes = await readDocument(call);
  const mediaType = call.request.headers["content-type"]?.split(";")[0]?.trim();
  const document = decodeDocument(bytes, mediaType, "the manifest", call.limits);
  const names = isDigest(reference) ? { digest: reference } : { tags: [reference as Tag] };
  const options = { ...names, signal: call.signal };
  const descriptor = await ask(call.registry.pushManifest(repo, bytes, document.mediaType, options), "given bytes");
  const subject = (document.kind === "index" ? document.index : document.manifest).subject;
  sendStatus(call, 201, {
    location: `/v2/${repo}/manifests/${descriptor.digest}`,
    "docker-content-digest": descriptor.digest,
    ...(subject && { "oci-subject": subject.digest }),
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
      // What cannot be mounted is uploaded.
      if (!isGantryError(error, "BLOB_UNKNOWN", "NAME_UNKNOWN", "UNSUPPORTED", "DENIED")) throw error;
    }
  }
  await startUpload(call, repo);
}
