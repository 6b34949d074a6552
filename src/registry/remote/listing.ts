import { GantryError, isGantryError } from "../../base/error.ts";
import { isTag, parseRepoName, type RepoName, type Tag } from "../../reference/reference.ts";
import { decodeDescriptor, decodeDocument } from "../../spec/decode.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/types.ts";
import type { HttpResponse } from "../../transport/message.ts";
import type { CallOptions } from "../registry.ts";
import { type Api, signalOf } from "./api.ts";
import { getManifest } from "./manifests.ts";
import { pages } from "./pages.ts";

export async function* listRepositories(api: Api, options: CallOptions = {}): AsyncGenerator<RepoName> {
  const { url } = await api.connect();
  const get = (page: URL): Promise<HttpResponse> =>
    api.send(
      "registry:catalog:*",
      { method: "GET", url: page, ...signalOf(options) },
      [200],
      `listing ${api.name}`,
      "NAME_UNKNOWN",
    );
  for await (const page of pages(new URL("_catalog?n=1000", url), get, api.transport)) {
    for (const name of names(page["repositories"], "repositories")) yield parseRepoName(name);
  }
}

export async function* listTags(api: Api, repo: RepoName, options: CallOptions = {}): AsyncGenerator<Tag> {
  const first = await api.url(repo, "tags/list?n=1000");
  const asked = `listing the tags of ${api.name}/${repo}`;
  const get = (url: URL): Promise<HttpResponse> =>
    api.pull(repo, { method: "GET", url, ...signalOf(options) }, asked, "NAME_UNKNOWN");
  for await (const page of pages(first, get, api.transport)) {
    for (const name of names(page["tags"], "tags")) if (isTag(name)) yield name;
  }
}

/** From the API, or where there is none from the tag that stands for it. */
export async function* listReferrers(
  api: Api,
  repo: RepoName,
  digest: Digest,
  options: CallOptions & { readonly artifactType?: string | undefined } = {},
): AsyncGenerator<Descriptor> {
  const { artifactType, ...call } = options;
  const first = await api.url(repo, `referrers/${digest}`);
  if (artifactType) first.searchParams.set("artifactType", artifactType);
  const asked = `listing the referrers of ${digest} in ${api.name}/${repo}`;
  let answered = false;
  const get = async (url: URL): Promise<HttpResponse> => {
    // GitHub sends those who ask to its web pages.
    const request = { method: "GET", url, redirects: "own", ...signalOf(call) } as const;
    const response = await api.pull(repo, request, asked, "MANIFEST_UNKNOWN");
    answered = true;
    return response;
  };
  const wanted = (item: unknown): Descriptor[] => {
    const descriptor = decodeDescriptor(item, `${asked}: an entry`);
    return !artifactType || descriptor.artifactType === artifactType ? [descriptor] : [];
  };
  try {
    for await (const page of pages(first, get, api.transport)) {
      for (const item of (page["manifests"] as unknown[] | null) ?? []) yield* wanted(item);
    }
  } catch (error) {
    if (answered || !isGantryError(error, "MANIFEST_UNKNOWN", "NAME_UNKNOWN", "UNSUPPORTED")) throw error;
    // A registry without the API: clients keep the list under a tag (distribution-spec, "Referrers Tag Schema").
    for (const item of await taggedReferrers(api, repo, digest, call)) yield* wanted(item);
  }
}

async function taggedReferrers(
  api: Api,
  repo: RepoName,
  digest: Digest,
  options: CallOptions,
): Promise<readonly Descriptor[]> {
  try {
    const { bytes, descriptor } = await getManifest(api, repo, digest.replace(":", "-") as Tag, options);
    const document = decodeDocument(bytes, descriptor.mediaType, `the referrers of ${digest}`);
    return document.kind === "index" ? document.index.manifests : [];
  } catch (error) {
    if (isGantryError(error, "MANIFEST_UNKNOWN", "NAME_UNKNOWN")) return [];
    throw error;
  }
}

function names(value: unknown, path: string): string[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value) || value.some((item) => typeof item !== "string")) {
    throw new GantryError("INVALID_DOCUMENT", `the list: ${path} must be a list of strings`, { details: { path } });
  }
  return value as string[];
}
