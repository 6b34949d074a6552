import { GantryError, isGantryError } from "../base/error.ts";
import type { RepoName } from "../reference/reference.ts";
import type { Digest } from "../spec/digest.ts";
import { mediaTypes } from "../spec/media-types.ts";
import type { Descriptor } from "../spec/types.ts";
import type { Call } from "./call.ts";
import { askAll } from "./errors.ts";
import { sendJson } from "./respond.ts";

/** Bytes that a page has in addition to its descriptors. */
const PAGE_FRAME = 200;

/** distribution-spec, "Listing Referrers". The Link of a page names the digest after which the next one begins. */
export async function listReferrers(call: Call, repo: RepoName, subject: Digest): Promise<void> {
  const { registry, signal, limits, url } = call;
  // An empty filter is no filter.
  const artifactType = url.searchParams.get("artifactType") || undefined;
  const last = url.searchParams.get("last") ?? "";
  const page = new Page(limits.metadataBytes - PAGE_FRAME);
  try {
    for await (const descriptor of askAll(registry.referrers(repo, subject, { artifactType, after: last, signal }))) {
      if (descriptor.digest > last) page.add(descriptor);
    }
  } catch (error) {
    if (isGantryError(error, "UNSUPPORTED")) {
      // A 404 makes clients look for the list under its fallback tag ("Unavailable Referrers API").
      throw new GantryError("NAME_UNKNOWN", "this registry keeps no list of referrers");
    }
    // A repository that does not exist yet has no referrers.
    if (!isGantryError(error, "NAME_UNKNOWN")) throw error;
  }
  const { manifests, more } = page.end();
  const next = new URLSearchParams(artifactType === undefined ? {} : { artifactType });
  next.set("last", manifests.at(-1)?.digest ?? "");
  const headers = {
    "content-type": mediaTypes.index,
    "oci-filters-applied": artifactType === undefined ? undefined : "artifactType",
    link: more ? `<${url.pathname}?${next}>; rel="next"` : undefined,
  };
  sendJson(call, { schemaVersion: 2, mediaType: mediaTypes.index, manifests }, headers);
}

/** The first descriptors, in the order of their digests, that fit into a page. */
class Page {
  readonly #room: number;
  #entries: { readonly descriptor: Descriptor; readonly size: number }[] = [];
  #size = 0;
  #more = false;

  /** @param room bytes */
  constructor(room: number) {
    this.#room = room;
  }

  add(descriptor: Descriptor): void {
    const sizeOf = (value: Descriptor): number => Buffer.byteLength(JSON.stringify(value)) + 1;
    let entry = { descriptor, size: sizeOf(descriptor) };
    if (entry.size > this.#room) {
      // A descriptor that fits on no page is listed without its annotations, so that the listing does not end there.
      const { annotations: _annotations, ...rest } = descriptor;
      entry = { descriptor: rest, size: sizeOf(rest) };
    }
    this.#entries.push(entry);
    this.#size += entry.size;
    // Keeps memory small, however long the list is.
    if (this.#size > 2 * this.#room) this.#cut();
  }

  #cut(): void {
    this.#entries.sort((a, b) => (a.descriptor.digest < b.descriptor.digest ? -1 : 1));
    const all = this.#entries;
    this.#entries = [];
    this.#size = 0;
    for (const entry of all) {
      if (this.#size + entry.size > this.#room) {
        this.#more = true;
        return;
      }
      this.#entries.push(entry);
      this.#size += entry.size;
    }
  }

  end(): { readonly manifests: readonly Descriptor[]; readonly more: boolean } {
    this.#cut();
    return { manifests: this.#entries.map(({ descriptor }) => descriptor), more: this.#more };
  }
}

/** Whether the registry keeps lists of referrers; asked once. */
export async function listsReferrers(call: Call, repo: RepoName, subject: Digest): Promise<boolean> {
  const { registry, signal, known } = call;
  if (known.listsReferrers !== undefined) return known.listsReferrers;
  const referrers = registry.referrers(repo, subject, { signal })[Symbol.asyncIterator]();
  try {
    await referrers.next();
    known.listsReferrers = true;
  } catch (error) {
    // Any other failure leaves the question open, so nothing is remembered. The manifest is already stored.
    if (!isGantryError(error, "UNSUPPORTED")) return true;
    known.listsReferrers = false;
  } finally {
    await referrers.return?.();
  }
  return known.listsReferrers;
}
