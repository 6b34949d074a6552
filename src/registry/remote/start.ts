import { isGantryError } from "../../base/error.ts";
import type { RepoName } from "../../reference/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import type { HttpResponse } from "../../transport/message.ts";
import type { CallOptions } from "../registry.ts";
import { type Api, signalOf } from "./api.ts";

/** A blob that a registry is asked to make known in another of its repositories. */
export interface Mount {
  readonly digest: Digest;
  readonly from: RepoName;
}

/** Starts an upload: 202; or, where a blob is asked to be mounted, finds that there is none to do: 201. */
export async function startUpload(
  api: Api,
  repo: RepoName,
  asked: string,
  options: CallOptions,
  mount?: Mount,
): Promise<HttpResponse> {
  const url = await api.url(repo, "blobs/uploads/");
  if (mount) {
    url.searchParams.set("mount", mount.digest);
    url.searchParams.set("from", mount.from);
  }
  // Two uploads that were started do no more harm than one.
  const post = { method: "POST", url, body: Buffer.alloc(0), repeatable: true, ...signalOf(options) } as const;
  return api.push(repo, "NAME_UNKNOWN", mount?.from)(post, mount ? [201, 202] : [202], asked);
}

/**
 * Asks for a mount before a blob is sent: 201 where it is done, 202 where the registry has opened an upload instead.
 * @returns undefined where the registry refused in any way: then nothing is lost but this request
 */
export async function tryMount(
  api: Api,
  repo: RepoName,
  mount: Mount,
  options: CallOptions,
): Promise<HttpResponse | undefined> {
  const asked = `mounting blob ${mount.digest} from ${mount.from} in ${api.name}/${repo}`;
  try {
    const response = await startUpload(api, repo, asked, options, mount);
    await response.discard();
    return response;
  } catch (error) {
    options.signal?.throwIfAborted();
    if (isGantryError(error) && error.details["status"] !== undefined) return undefined;
    throw error;
  }
}
