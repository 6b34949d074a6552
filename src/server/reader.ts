import { isGantryError } from "../base/error.ts";
import type { RepoName, Tag } from "../reference/reference.ts";
import type { Digest } from "../spec/digest.ts";
import { isIndexType, isManifestType, isSchema1Type, mediaTypes } from "../spec/media-types.ts";
import type { Call } from "./call.ts";
import { ask } from "./errors.ts";
import { parseRange } from "./range.ts";
import { sendBody, sendBytes, sendHead, sendStatus } from "./respond.ts";

/** distribution-spec, "Pulling manifests". */
export async function getManifest(call: Call, repo: RepoName, reference: Tag | Digest): Promise<void> {
  const { descriptor, bytes } = await ask(call.registry.getManifest(repo, reference, { signal: call.signal }));
  sendBytes(call, bytes, {
    "content-type": servedType(descriptor.mediaType),
    "docker-content-digest": descriptor.digest,
    etag: `"${descriptor.digest}"`,
  });
}

/** distribution-spec, "Pulling blobs". */
export async function getBlob(call: Call, repo: RepoName, digest: Digest): Promise<void> {
  const { registry, request, signal } = call;
  const headers = {
    "content-type": mediaTypes.octetStream,
    "docker-content-digest": digest,
    etag: `"${digest}"`,
    "accept-ranges": call.ranges ? "bytes" : undefined,
    "cache-control": "max-age=31536000, immutable",
  };
  const { size } = await ask(registry.resolveBlob(repo, digest, { signal }));
  if (request.method === "HEAD") return sendStatus(call, 200, { ...headers, "content-length": size });
  // A range of another version is ignored (RFC 9110 section 13.1.5).
  const condition = request.headers["if-range"];
  const same = condition === undefined || condition === headers.etag;
  const range = same && call.ranges ? parseRange(request.headers.range, size) : undefined;
  if (range === "unsatisfiable") return sendStatus(call, 416, { "content-range": `bytes */${size}` });
  if (range) {
    const part = await ask(registry.getBlobRange(repo, { digest, size }, range, { signal }).catch(ifUnsupported));
    if (part) {
      const contentRange = `bytes ${range.start}-${range.end - 1}/${size}`;
      sendHead(call, 206, { ...headers, "content-length": range.end - range.start, "content-range": contentRange });
      return sendBody(call, part);
    }
  }
  const content = await ask(registry.getBlob(repo, { digest, size }, { signal }));
  const ranges = range ? undefined : headers["accept-ranges"];
  sendHead(call, 200, { ...headers, "accept-ranges": ranges, "content-length": size });
  await sendBody(call, { pump: (write) => content.pipe(write, { signal }), close: () => content.cancel() });
}

/** A server may ignore a range (RFC 9110 section 14.2): the whole blob is sent if the registry does not support ranges. */
function ifUnsupported(error: unknown): undefined {
  if (!isGantryError(error, "UNSUPPORTED")) throw error;
}

/** A stored manifest may have any type. As `text/html` it would be a page of this server in a browser. */
function servedType(type: string): string {
  const known = isManifestType(type) || isIndexType(type) || isSchema1Type(type);
  return known || /^application\/vnd\.[\w!#$&^.+-]+\+json$/.test(type) ? type : mediaTypes.octetStream;
}
