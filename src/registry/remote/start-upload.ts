import { isGantryError } from "../../base/error.ts";
import type { RepoName } from "../../reference/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import type { HttpResponse } from "../../transport/message.ts";
import type { CallOptions } from "../registry.ts";
import type { Api } from "./api.ts";

/** A blob to mount, and the repository that has it. */
export interface Mount {
  readonly digest: Digest;
  readonly from: RepoName;
}

/** Starts an upload: status 202. With `mount`, status 201 says that the blob was mounted and needs no upload. */
export async function startUpload(
  api: Api,
  repo: RepoName,
  asked: string,
  { signal }: CallOptions,
  mount?: Mount,
): Promise<HttpResponse> {
  const url = await api.url(repo, "blobs/uploads/");
  if (mount) {
    url.searchParams.set("mount", mount.digest);
    url.searchParams.set("from", mount.from);
  }
  // Repeatable, since starting an upload twice is harmless.
  const post = { method: "POST", url, body: Buffer.alloc(0), repeatable: true, signal } as const;
  return api.push(repo, "NAME_UNKNOWN", mount?.from)(post, mount ? [201, 202] : [202], asked);
}

/**
 * Tries to mount a blob before it is sent: status 201 where it is mounted, 202 where the registry started an upload
 * instead.
 * @returns undefined where the registry refused: the blob is sent then
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
