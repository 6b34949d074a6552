import type { RepoName } from "../reference/reference.ts";
import type { ListOptions } from "../registry/registry.ts";
import type { Digest } from "../spec/digest.ts";
import { mediaTypes } from "../spec/media-types.ts";
import type { Descriptor } from "../spec/types.ts";
import type { Call } from "./call.ts";
import { askAll } from "./errors.ts";
import { sendJson } from "./respond.ts";

/** How many names a page of a listing holds at the most, whatever is asked for. */
const MAX_PAGE = 1000;

export function listRepositories(call: Call): Promise<void> {
  return sendNames(call, "repositories", (options) => call.registry.repositories(options));
}

/** distribution-spec, "Listing Tags". */
export function listTags(call: Call, repo: RepoName): Promise<void> {
  return sendNames(call, "tags", (options) => call.registry.tags(repo, options), { name: repo });
}

/** One page: `n` is clamped, never refused; `last` is exclusive. */
async function sendNames(
  call: Call,
  key: string,
  list: (options: ListOptions) => AsyncIterable<string>,
  more: object = {},
): Promise<void> {
  const { searchParams, pathname } = call.url;
  const asked = searchParams.get("n");
  const count = asked !== null && /^\d+$/.test(asked) ? Math.min(Number(asked), MAX_PAGE) : MAX_PAGE;
  const last = searchParams.get("last");
  const page: string[] = [];
  let another = false;
  const names = list({ signal: call.signal, after: last ?? undefined });
  for await (const name of askAll(names)) {
    if (last !== null && name <= last) continue;
    if (page.length === count) {
      another = count > 0;
      break;
    }
    page.push(name);
  }
  const next = new URLSearchParams({ n: String(count), last: page.at(-1) ?? "" });
  sendJson(call, { ...more, [key]: page }, another ? { link: `<${pathname}?${next}>; rel="next"` } : {});
}

/** distribution-spec, "Listing Referrers". */
export async function listReferrers(call: Call, repo: RepoName, digest: Digest): Promise<void> {
  const artifactType = call.url.searchParams.get("artifactType");
  const manifests: Descriptor[] = [];
  const options = { ...(artifactType && { artifactType }), signal: call.signal };
  for await (const descriptor of askAll(call.registry.referrers(repo, digest, options))) manifests.push(descriptor);
  sendJson(
    call,
    { schemaVersion: 2, mediaType: mediaTypes.index, manifests },
    {
      "content-type": mediaTypes.index,
      ...(artifactType && { "oci-filters-applied": "artifactType" }),
    },
  );
}
