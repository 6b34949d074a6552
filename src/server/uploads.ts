import type { OutgoingHttpHeaders } from "node:http";
import { GantryError, isGantryError } from "../base/error.ts";
import { checkLimit } from "../base/limits.ts";
import type { RepoName } from "../reference/reference.ts";
import type { ByteRange } from "../registry/registry.ts";
import { digestAlgorithms, isDigestAlgorithm, parseDigest } from "../spec/digest.ts";
import type { Descriptor } from "../spec/types.ts";
import { requestBody } from "./body.ts";
import type { Call } from "./call.ts";
import { ask, registryError } from "./errors.ts";
import { clientOf, type OpenUpload } from "./open-uploads.ts";
import { parseContentRange } from "./range.ts";
import { sendStatus } from "./respond.ts";

/** Starts an upload (distribution-spec, "POST then PUT"), or does all of it in one request ("Single POST"). */
export async function startUpload(call: Call, repo: RepoName): Promise<void> {
  const { registry, request, signal, uploads, url } = call;
  const algorithm = url.searchParams.get("digest-algorithm");
  if (algorithm !== null && !isDigestAlgorithm(algorithm)) {
    const message = `the algorithm ${JSON.stringify(algorithm)} is not supported; use ${digestAlgorithms.join(" or ")}`;
    throw new GantryError("UNSUPPORTED_ALGORITHM", message);
  }
  const client = clientOf(request.socket.remoteAddress);
  const open = await uploads.open(client, repo, () => ask(registry.openUpload(repo, { signal })));
  if (!url.searchParams.has("digest")) return sendStatus(call, 202, uploadHeaders(open));
  try {
    return await finish(call, open);
  } catch (error) {
    // The client never learned the id, so it cannot resume the upload.
    await uploads.drop(open).catch(() => {});
    throw error;
  }
}

/** Answers with the position of an upload. */
export async function getUpload(call: Call, repo: RepoName, id: string): Promise<void> {
  await call.uploads.quiet(call.uploads.find(repo, id));
  sendStatus(call, 204, uploadHeaders(call.uploads.find(repo, id)));
}

/** distribution-spec, "Pushing a blob in chunks". */
export async function patchUpload(call: Call, repo: RepoName, id: string): Promise<void> {
  const open = call.uploads.find(repo, id);
  await call.uploads.adding(open, async () => {
    await append(call, open);
    sendStatus(call, 202, uploadHeaders(open));
  });
}

/** Completes an upload with the rest of its bytes, if any, and the digest of the whole. */
export async function putUpload(call: Call, repo: RepoName, id: string): Promise<void> {
  await finish(call, call.uploads.find(repo, id));
}

/** distribution-spec, "Cancel a blob upload". */
export async function deleteUpload(call: Call, repo: RepoName, id: string): Promise<void> {
  await ask(call.uploads.drop(call.uploads.find(repo, id)));
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
    blobCreated(call, open.repo, await ask(open.upload.commit(digest, { signal }), "given bytes"));
  });
}

/** Adds the body of a request. If the request has a Content-Range, the body must have exactly this length. */
async function append(call: Call, open: OpenUpload): Promise<void> {
  const { limits, request, response, signal, uploads } = call;
  const length = request.headers["content-length"];
  try {
    const range = expectedRange(request.headers["content-range"], open, length);
    checkLimit(limits, "uploadBytes", open.bytes + Number(length ?? 0), "the upload");
    let received = 0;
    const body = requestBody(call, (count) => {
      received += count;
      if (range && received > range.end - range.start) throw rangeInvalid("the body is longer than its Content-Range");
      uploads.take(open, count);
    });
    try {
      await open.upload.append(body, { signal });
    } catch (error) {
      if (body.failure !== undefined || signal.aborted) throw body.failure ?? error;
      // Bytes that were acknowledged may be lost, so this upload cannot be resumed.
      await uploads.drop(open).catch(() => {});
      throw registryError(error, true);
    }
    if (range && received < range.end - range.start) throw rangeInvalid("the body is shorter than its Content-Range");
  } catch (error) {
    // A blob that is too large can never be completed.
    if (isGantryError(error, "LIMIT_EXCEEDED")) await uploads.drop(open).catch(() => {});
    if (isGantryError(error, "RANGE_INVALID")) {
      for (const [name, value] of Object.entries(positionHeaders(open))) response.setHeader(name, value);
    }
    throw error;
  }
}

/** @throws RANGE_INVALID where the chunk is not the next one, or has another length */
function expectedRange(
  header: string | undefined,
  open: OpenUpload,
  length: string | undefined,
): ByteRange | undefined {
  const range = parseContentRange(header);
  if (range === "malformed") throw rangeInvalid("the Content-Range is not of the form START-END");
  if (range && range.start !== open.upload.offset)
    throw rangeInvalid(`the upload continues at byte ${open.upload.offset}`);
  if (range && length !== undefined && Number(length) !== range.end - range.start) {
    throw rangeInvalid("the Content-Length differs from the length of the Content-Range");
  }
  return range;
}

function rangeInvalid(what: string): GantryError<"RANGE_INVALID"> {
  return new GantryError("RANGE_INVALID", `${what}; the Range of this answer tells which bytes were received`);
}

/** The path of an upload. */
export function pathOf({ id, repo }: OpenUpload): string {
  return `/v2/${repo}/blobs/uploads/${id}`;
}

function positionHeaders(open: OpenUpload): { readonly location: string; readonly range: string } {
  return { location: pathOf(open), range: `0-${Math.max(0, open.upload.offset - 1)}` };
}

function uploadHeaders(open: OpenUpload): OutgoingHttpHeaders {
  return { ...positionHeaders(open), "docker-upload-uuid": open.id };
}
