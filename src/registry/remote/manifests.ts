import { GantryError, isGantryError } from "../../base/error.ts";
import { checkLimit } from "../../base/limits.ts";
import { requireDigest } from "../../content/content.ts";
import type { RepoName, Tag } from "../../reference/reference.ts";
import { algorithmOf, type Digest, digestOf, isDigest } from "../../spec/digest.ts";
import { manifestAccept, mediaTypes } from "../../spec/media-types.ts";
import { summarizeManifest } from "../../spec/sniff.ts";
import type { HttpResponse } from "../../transport/message.ts";
import type { CallOptions, StoredManifest } from "../registry.ts";
import { type Api, signalOf } from "./api.ts";

/** The whole manifest, as it is; where the connection breaks it is asked for again. */
export async function getManifest(
  api: Api,
  repo: RepoName,
  reference: Tag | Digest,
  options: CallOptions = {},
): Promise<StoredManifest> {
  const what = `manifest ${reference} of ${api.name}/${repo}`;
  const url = await api.url(repo, `manifests/${reference}`);
  const headers = { accept: manifestAccept.join(", ") };
  const limit = api.transport.limits.metadataBytes;
  // A manifest is small: where the connection breaks, it is asked for again as a whole.
  for (let attempt = 1; ; attempt += 1) {
    const response = await api.pull(
      repo,
      { method: "GET", url, headers, ...signalOf(options) },
      `getting ${what}`,
      "MANIFEST_UNKNOWN",
    );
    try {
      const declared = Number(response.headers["content-length"]);
      if (declared > limit) checkLimit(api.transport.limits, "metadataBytes", declared, what);
      const bytes = await response.bytes(limit, what);
      const digest = digestOf(bytes, isDigest(reference) ? algorithmOf(reference) : "sha256");
      if (isDigest(reference)) requireDigest(digest, reference, what);
      else requireClaimed(response, digest, what);
      return { descriptor: { mediaType: manifestType(response, bytes), digest, size: bytes.length }, bytes };
    } catch (error) {
      options.signal?.throwIfAborted();
      if (attempt >= 3 || !isGantryError(error, "TRANSFER_INTERRUPTED")) throw error;
      await api.transport.pauseBeforeRetry(attempt, error.message, options.signal);
    } finally {
      await response.body.close();
    }
  }
}

/** What a registry says about bytes proves nothing, but bytes that are other than it says are not what it sent. */
function requireClaimed(response: HttpResponse, computed: Digest, what: string): void {
  const claimed = response.headers["docker-content-digest"];
  if (!claimed || !isDigest(claimed) || algorithmOf(claimed) !== algorithmOf(computed)) return;
  if (claimed !== computed && response.redact(claimed) !== claimed) {
    throw new GantryError("DIGEST_MISMATCH", `${what} has the digest ${computed}, and its registry says another one`);
  }
  requireDigest(computed, claimed, what);
}

const generic: ReadonlySet<string> = new Set([
  "",
  "application/json",
  "text/plain",
  "text/html",
  mediaTypes.octetStream,
]);

/** What the header calls a manifest; where that says nothing, what the manifest calls itself. */
function manifestType(response: HttpResponse, bytes: Buffer): string {
  const header = response.headers["content-type"]?.split(";")[0]?.trim() ?? "";
  // A registry may say a secret back anywhere, and this is going to be shown.
  const isGeneric = generic.has(header) || response.redact(header) !== header;
  return isGeneric ? (summarizeManifest(bytes).mediaType ?? mediaTypes.octetStream) : header;
}
