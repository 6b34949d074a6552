import { randomUUID } from "node:crypto";
import { sleep } from "../base/async.ts";
import { GantryError } from "../base/error.ts";
import type { RepoName } from "../reference/reference.ts";
import type { BlobUpload } from "../registry/registry.ts";

/** Uploads that nobody added to for this long are dropped. Milliseconds. */
const UPLOAD_IDLE_MS = 15 * 60_000;
/** How long a request waits for another one on the same upload. Milliseconds. */
const QUIET_MS = 5_000;
/** Uploads open at once: each keeps a file and buffers. */
const MAX_UPLOADS = 256;

/** An upload under way. Only one request at a time may add to it. */
export interface OpenUpload {
  readonly id: string;
  readonly repo: RepoName;
  readonly upload: BlobUpload;
  /** Settles when the request is over that adds to it just now. */
  busy: Promise<void> | undefined;
  usedAt: number;
}

/** The uploads of one server that are under way, by an id that means something in one repository only. */
export class OpenUploads {
  readonly #uploads = new Map<string, OpenUpload>();

  /** Makes room for one more. @throws TOO_MANY_REQUESTS */
  async admit(): Promise<void> {
    for (const open of this.#uploads.values()) {
      if (open.busy || Date.now() - open.usedAt < UPLOAD_IDLE_MS) continue;
      await this.drop(open).catch(() => {});
    }
    if (this.#uploads.size < MAX_UPLOADS) return;
    throw new GantryError(
      "TOO_MANY_REQUESTS",
      `${MAX_UPLOADS} uploads are open; finish or delete some, then try again`,
    );
  }

  add(repo: RepoName, upload: BlobUpload): OpenUpload {
    const open: OpenUpload = { id: randomUUID(), repo, upload, busy: undefined, usedAt: Date.now() };
    this.#uploads.set(open.id, open);
    return open;
  }

  /** @throws BLOB_UPLOAD_UNKNOWN */
  find(repo: RepoName, id: string): OpenUpload {
    const found = this.#uploads.get(id);
    if (found?.repo !== repo) {
      throw new GantryError("BLOB_UPLOAD_UNKNOWN", `${repo}: there is no such upload; start again with POST`);
    }
    return found;
  }

  /** From now on the id is unknown. What came stays with the upload. */
  forget(open: OpenUpload): void {
    this.#uploads.delete(open.id);
  }

  /** Forgets an upload together with what came. */
  async drop(open: OpenUpload): Promise<void> {
    this.forget(open);
    await open.upload.cancel();
  }

  /** Runs one request that adds to an upload; a second one at the same time is refused. */
  async adding(open: OpenUpload, work: () => Promise<void>): Promise<void> {
    await this.quiet(open);
    if (open.busy) throw new GantryError("BLOB_UPLOAD_INVALID", "another request is adding to this upload");
    let done = (): void => {};
    open.busy = new Promise((resolve) => {
      done = resolve;
    });
    try {
      await work();
    } finally {
      open.busy = undefined;
      open.usedAt = Date.now();
      done();
    }
  }

  /** Waits a little while an upload is added to: its client may know sooner than we do that the connection broke. */
  async quiet(open: OpenUpload): Promise<void> {
    const end = new AbortController();
    await Promise.race([open.busy, sleep(open.busy ? QUIET_MS : 0, end.signal).catch(() => {})]);
    end.abort();
  }
}
