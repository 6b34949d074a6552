import { GantryError, isGantryError } from "../base/error.ts";
import type { RepoName } from "../reference/reference.ts";
import type { Digest } from "../spec/digest.ts";
import { mediaTypes } from "../spec/media-types.ts";
import type { Descriptor } from "../spec/types.ts";
import type { Call } from "./call.ts";
import { askAll } from "./errors.ts";
import { sendJson } from "./respond.ts";

/** What there is of a page beside its descriptors. Bytes. */
const PAGE_FRAME = 200;

/** distribution-spec, "Listing Referrers". The Link of a page says after which digest the next one begins. */
export async function listReferrers(call: Call, repo: RepoName, subject: Digest): Promise<void> {
  const { registry, signal, limits, url } = call;
  // An empty filter is none.
  const artifactType = url.searchParams.get("artifactType") || undefined;
  const last = url.searchParams.get("last") ?? "";
  const page = new Page(limits.metadataBytes - PAGE_FRAME);
  try {
    for await (const descriptor of askAll(registry.referrers(repo, subject, { artifactType, after: last, signal }))) {
      if (descriptor.digest > last) page.add(descriptor);
    }
  } catch (error) {
    if (isGantryError(error, "UNSUPPORTED")) {
      // 404 is what makes clients look for the tag that stands for the list ("Unavailable Referrers API").
      throw new GantryError("NAME_UNKNOWN", "what is served here keeps no list of referrers");
    }
    // What nothing was pushed to has no referrers.
    if (!isGantryError(error, "NAME_UNKNOWN")) throw error;
  }
  const { manifests, more } = page.end();
  const next = new URLSearchParams(artifactType === undefined ? {} : { artifactType });
  next.set("last", manifests.at(-1)?.digest ?? "");
  const headers = {
    "content-type": mediaTypes.index,
    ...(artifactType !== undefined && { "oci-filters-applied": "artifactType" }),
    ...(more && { link: `<${url.pathname}?${next}>; rel="next"` }),
  };
  sendJson(call, { schemaVersion: 2, mediaType: mediaTypes.index, manifests }, headers);
}

/** The first descriptors, in the order of their digests, that fit into so many bytes. */
class Page {
  readonly #room: number;
  #entries: { readonly descriptor: Descriptor; readonly size: number }[] = [];
  #size = 0;
  #more = false;

  constructor(room: number) {
    this.#room = room;
  }

  add(descriptor: Descriptor): void {
    const sizeOf = (value: Descriptor): number => Buffer.byteLength(JSON.stringify(value)) + 1;
    let entry = { descriptor, size: sizeOf(descriptor) };
    if (entry.size > this.#room) {
      // One that fits on no page must not take the others with it.
      const { annotations: _annotations, ...rest } = descriptor;
      entry = { descriptor: rest, size: sizeOf(rest) };
    }
    this.#entries.push(entry);
    this.#size += entry.size;
    // What is kept stays small, however long the list is.
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

/** Whether the registry keeps lists of referrers; one that cannot is asked once. */
export async function listsReferrers(call: Call, repo: RepoName, subject: Digest): Promise<boolean> {
  const { registry, signal, known } = call;
  if (known.listsReferrers !== undefined) return known.listsReferrers;
  const referrers = registry.referrers(repo, subject, { signal })[Symbol.asyncIterator]();
  try {
    await referrers.next();
    known.listsReferrers = true;
  } catch (error) {
    // Another failure says nothing about it; the manifest was stored all the same.
    if (!isGantryError(error, "UNSUPPORTED")) return true;
    known.listsReferrers = false;
  } finally {
    await referrers.return?.();
  }
  return known.listsReferrers;
}
