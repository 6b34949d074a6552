import { GantryError, isGantryError } from "../../base/error.ts";
import { checkLimit } from "../../base/limits.ts";
import { requireDigest } from "../../content/verifier.ts";
import type { RepoName, Tag } from "../../reference/reference.ts";
import { algorithmOf, type Digest, digestOf, isDigest } from "../../spec/digest.ts";
import { manifestAccept, mediaTypes } from "../../spec/media-types.ts";
import { summarizeManifest } from "../../spec/summary.ts";
import type { HttpResponse } from "../../transport/message.ts";
import type { CallOptions, StoredManifest } from "../registry.ts";
import type { Api } from "./api.ts";

/** The whole manifest, byte for byte. A manifest is small: where the connection breaks, all of it is fetched again. */
export async function getManifest(
  api: Api,
  repo: RepoName,
  reference: Tag | Digest,
  { signal }: CallOptions = {},
): Promise<StoredManifest> {
  const what = `manifest ${reference} of ${api.name}/${repo}`;
  const url = await api.url(repo, `manifests/${reference}`);
  const headers = { accept: manifestAccept.join(", ") };
  const limit = api.transport.limits.metadataBytes;
  for (let attempt = 1; ; attempt += 1) {
    const get = { method: "GET", url, headers, signal } as const;
    const response = await api.pull(repo, get, `getting ${what}`, "MANIFEST_UNKNOWN");
    try {
      const declared = Number(response.headers["content-length"]);
      if (declared > limit) checkLimit(api.transport.limits, "metadataBytes", declared, what);
      const bytes = await response.bytes(limit, what);
      const digest = digestOf(bytes, isDigest(reference) ? algorithmOf(reference) : "sha256");
      if (isDigest(reference)) requireDigest(digest, reference, what);
      else requireClaimed(response, digest, what);
      return { descriptor: { mediaType: manifestType(response, bytes), digest, size: bytes.length }, bytes };
    } catch (error) {
      signal?.throwIfAborted();
      if (attempt >= 3 || !isGantryError(error, "TRANSFER_INTERRUPTED")) throw error;
      await api.transport.pauseBeforeRetry(attempt, error.message, signal);
    } finally {
      await response.body.close();
    }
  }
}

/** A claimed digest proves nothing; but bytes with another digest are not those that the registry meant to send. */
function requireClaimed(response: HttpResponse, computed: Digest, what: string): void {
  const claimed = response.headers["docker-content-digest"];
  if (!claimed || !isDigest(claimed) || algorithmOf(claimed) !== algorithmOf(computed)) return;
  if (claimed !== computed && response.redact(claimed) !== claimed) {
    throw new GantryError("DIGEST_MISMATCH", `${what} has the digest ${computed}, but the registry claims another one`);
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

/** The media type of a response, without its parameters. */
export function contentType(response: HttpResponse): string | undefined {
  return response.headers["content-type"]?.split(";")[0]?.trim();
}

/** The media type in the header; where that is a generic one, the one in the manifest. */
function manifestType(response: HttpResponse, bytes: Buffer): string {
  const header = contentType(response) ?? "";
  // A registry may repeat a secret in any header, and this one will be shown.
  const isGeneric = generic.has(header) || response.redact(header) !== header;
  return isGeneric ? (summarizeManifest(bytes).mediaType ?? mediaTypes.octetStream) : header;
}
