import { GantryError, isGantryError } from "../../base/error.ts";
import { isTag, parseRepoName, type RepoName, type Tag } from "../../reference/reference.ts";
import { decodeDescriptor, decodeDocument } from "../../spec/decode.ts";
import type { Digest } from "../../spec/digest.ts";
import type { JsonObject } from "../../spec/json.ts";
import type { Descriptor } from "../../spec/types.ts";
import type { HttpResponse } from "../../transport/message.ts";
import type { CallOptions, ReferrersOptions, RegistryLister } from "../registry.ts";
import type { Api } from "./api.ts";
import { getManifest } from "./manifests.ts";
import { pages } from "./pages.ts";

/** Lists repositories, tags and referrers over HTTP, page by page. */
export class RemoteLister implements RegistryLister {
  readonly name: string;
  readonly #api: Api;

  constructor(api: Api) {
    this.name = api.name;
    this.#api = api;
  }

  async *repositories({ signal }: CallOptions = {}): AsyncGenerator<RepoName> {
    const api = this.#api;
    const { url } = await api.connect();
    const asked = `listing the repositories of ${this.name}`;
    const get = (page: URL): Promise<HttpResponse> =>
      api.send("registry:catalog:*", { method: "GET", url: page, signal }, [200], asked, "NAME_UNKNOWN");
    for await (const page of pages(new URL("_catalog?n=1000", url), get, api.transport)) {
      for (const name of namesIn(page, "repositories", asked)) yield parseRepoName(name);
    }
  }

  async *tags(repo: RepoName, { signal }: CallOptions = {}): AsyncGenerator<Tag> {
    const api = this.#api;
    const first = await api.url(repo, "tags/list?n=1000");
    const asked = `listing the tags of ${this.name}/${repo}`;
    const get = (url: URL): Promise<HttpResponse> =>
      api.pull(repo, { method: "GET", url, signal }, asked, "NAME_UNKNOWN");
    for await (const page of pages(first, get, api.transport)) {
      for (const name of namesIn(page, "tags", asked)) if (isTag(name)) yield name;
    }
  }

  /** From the API; where the registry has none, from the fallback tag (distribution-spec, "Referrers Tag Schema"). */
  async *referrers(repo: RepoName, digest: Digest, options: ReferrersOptions = {}): AsyncGenerator<Descriptor> {
    const api = this.#api;
    const { artifactType, signal } = options;
    const first = await api.url(repo, `referrers/${digest}`);
    if (artifactType) first.searchParams.set("artifactType", artifactType);
    const asked = `listing the referrers of ${digest} in ${this.name}/${repo}`;
    let answered = false;
    const get = async (url: URL): Promise<HttpResponse> => {
      // GitHub redirects this request to its web pages.
      const request = { method: "GET", url, redirects: "own", signal } as const;
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
      for (const item of await this.#taggedReferrers(repo, digest, { signal })) yield* wanted(item);
    }
  }

  async #taggedReferrers(repo: RepoName, digest: Digest, options: CallOptions): Promise<readonly Descriptor[]> {
    try {
      const { bytes, descriptor } = await getManifest(this.#api, repo, digest.replace(":", "-") as Tag, options);
      const document = decodeDocument(bytes, descriptor.mediaType, `the referrers of ${digest}`);
      return document.kind === "index" ? document.index.manifests : [];
    } catch (error) {
      if (isGantryError(error, "MANIFEST_UNKNOWN", "NAME_UNKNOWN")) return [];
      throw error;
    }
  }
}

function namesIn(page: JsonObject, path: "repositories" | "tags", asked: string): string[] {
  const value = page[path];
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value) || value.some((item) => typeof item !== "string")) {
    throw new GantryError("INVALID_DOCUMENT", `${asked}: ${path} in the answer must be a list of strings`, {
      details: { path },
    });
  }
  return value as string[];
}
