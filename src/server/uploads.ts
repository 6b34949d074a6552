import type { OutgoingHttpHeaders } from "node:http";
import { isGantryError } from "../base/error.ts";
import { checkLimit } from "../base/limits.ts";
import type { Body } from "../content/content.ts";
import type { RepoName } from "../reference/reference.ts";
import { parseDigest } from "../spec/digest.ts";
import type { Descriptor } from "../spec/types.ts";
import { requestBody } from "./body.ts";
import type { Call } from "./call.ts";
import { clientOf, type OpenUpload } from "./open-uploads.ts";
import { contentRangeStart } from "./range.ts";
import { sendStatus } from "./respond.ts";

/** Starts an upload (distribution-spec, "POST then PUT"), or does it in one request ("Single POST"). */
export async function startUpload(call: Call, repo: RepoName): Promise<void> {
  const { registry, request, signal, uploads, url } = call;
  const client = clientOf(request.socket.remoteAddress);
  const open = await uploads.open(client, repo, () => registry.openUpload(repo, { signal }));
  if (!url.searchParams.has("digest")) return sendStatus(call, 202, whereabouts(open));
  try {
    return await finish(call, open);
  } catch (error) {
    // The client never learned the id, so it cannot go on with it.
    await uploads.drop(open).catch(() => {});
    throw error;
  }
}

/** How far an upload has come. */
export async function getUpload(call: Call, repo: RepoName, id: string): Promise<void> {
  await call.uploads.quiet(call.uploads.find(repo, id));
  sendStatus(call, 204, whereabouts(call.uploads.find(repo, id)));
}

/** distribution-spec, "Pushing a blob in chunks". */
export async function patchUpload(call: Call, repo: RepoName, id: string): Promise<void> {
  const open = call.uploads.find(repo, id);
  await call.uploads.adding(open, async () => {
    const start = contentRangeStart(call.request.headers["content-range"]);
    if (start !== undefined && start !== open.upload.offset) return sendStatus(call, 416, place(open));
    await append(call, open);
    sendStatus(call, 202, whereabouts(open));
  });
}

/** Ends an upload with what is left of it, if anything, under the digest of the whole. */
export async function putUpload(call: Call, repo: RepoName, id: string): Promise<void> {
  await finish(call, call.uploads.find(repo, id));
}

/** distribution-spec, "Cancel a blob upload". */
export async function deleteUpload(call: Call, repo: RepoName, id: string): Promise<void> {
  await call.uploads.drop(call.uploads.find(repo, id));
  sendStatus(call, 204);
}

export function blobCreated(call: Call, repo: RepoName, { digest }: Descriptor): void {
  sendStatus(call, 201, { location: `/v2/${repo}/blobs/${digest}`, "docker-content-digest": digest });
}

async function finish(call: Call, open: OpenUpload): Promise<void> {
  const { signal, uploads, url } = call;
  const digest = parseDigest(url.searchParams.get("digest"), "the digest parameter");
  await uploads.adding(open, async () => {
    await append(call, open);
    uploads.forget(open);
    blobCreated(call, open.repo, await open.upload.commit(digest, { signal }));
  });
}

/** Adds the body of a request. What is too large will never fit, and is dropped at once. */
async function append(call: Call, open: OpenUpload): Promise<void> {
  const { limits, request, signal, uploads } = call;
  const body = requestBody(call);
  try {
    const declared = Number(request.headers["content-length"] ?? 0);
    checkLimit(limits, "uploadBytes", open.bytes + declared, "the upload");
    const pump: Body["pump"] = (write, stop) =>
      body.pump((chunk) => {
        uploads.take(open, chunk.byteLength);
        return write(chunk);
      }, stop);
    await open.upload.append({ pump, close: () => body.close() }, { signal });
  } catch (error) {
    if (isGantryError(error, "LIMIT_EXCEEDED")) await uploads.drop(open);
    throw error;
  }
}

function place({ id, repo, upload }: OpenUpload): OutgoingHttpHeaders {
  return { location: `/v2/${repo}/blobs/uploads/${id}`, range: `0-${Math.max(0, upload.offset - 1)}` };
}

function whereabouts(open: OpenUpload): OutgoingHttpHeaders {
  return { ...place(open), "docker-upload-uuid": open.id };
}
