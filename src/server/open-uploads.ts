import { randomUUID } from "node:crypto";
import { sleep } from "../base/async.ts";
import { GantryError } from "../base/error.ts";
import { checkLimit, type Limits, limitFlag } from "../base/limits.ts";
import type { RepoName } from "../reference/reference.ts";
import type { BlobUpload } from "../registry/registry.ts";

/** How long a request waits for another request to the same upload. Milliseconds. */
const QUIET_MS = 5_000;

export interface OpenUploadsOptions {
  readonly limits: Limits;
  /** An upload to which no request adds for this long is dropped. Milliseconds. */
  readonly idleMs: number;
  /** Called for an upload that could not be dropped. */
  readonly onError: (error: unknown, open: OpenUpload) => void;
}

/** An unfinished upload. Only one request at a time may add to it. */
export interface OpenUpload {
  readonly id: string;
  readonly repo: RepoName;
  /** The client that opened it: see {@link clientOf}. */
  readonly client: string;
  readonly upload: BlobUpload;
  /** Bytes received. */
  bytes: number;
  /** Settles at the end of the request that is adding to it. */
  busy: Promise<void> | undefined;
  timer: NodeJS.Timeout | undefined;
}

/**
 * The unfinished uploads of one server, by an id that is valid in one repository only. Clients that abandon uploads must
 * not lock out others: an idle upload is dropped after a while, and earlier where its room is needed.
 */
export class OpenUploads {
  /** The upload that has been idle the longest is first. */
  readonly #uploads = new Map<string, OpenUpload>();
  /** The client of each upload that is being opened. */
  readonly #opening: string[] = [];
  readonly #options: OpenUploadsOptions;
  #bytes = 0;

  constructor(options: OpenUploadsOptions) {
    this.#options = options;
  }

  /** Opens an upload for a client. @throws TOO_MANY_REQUESTS, and what `start` throws */
  async open(client: string, repo: RepoName, start: () => Promise<BlobUpload>): Promise<OpenUpload> {
    this.#admit(client);
    this.#opening.push(client);
    try {
      const upload = await start();
      const open = { id: randomUUID(), repo, client, upload, bytes: 0, busy: undefined, timer: undefined };
      this.#rest(open);
      return open;
    } finally {
      this.#opening.splice(this.#opening.indexOf(client), 1);
    }
  }

  #admit(client: string): void {
    const { uploads, uploadsPerClient } = this.#options.limits;
    const clients = [...this.#opening, ...[...this.#uploads.values()].map((open) => open.client)];
    if (clients.filter((one) => one === client).length >= uploadsPerClient) {
      throw tooMany(`${uploadsPerClient} uploads of your address are open; ${limitFlag("uploadsPerClient")}`);
    }
    if (clients.length < uploads) return;
    const idle = this.#longestIdle(() => 1);
    if (!idle) throw tooMany(`${uploads} uploads are open; ${limitFlag("uploads")}`);
    this.#abandon(idle);
  }

  /** The upload that has been idle the longest, of the client whose uploads weigh the most in sum. */
  #longestIdle(weigh: (open: OpenUpload) => number): OpenUpload | undefined {
    const weights = new Map<string, number>();
    for (const open of this.#uploads.values()) {
      weights.set(open.client, (weights.get(open.client) ?? 0) + weigh(open));
    }
    const idle = [...this.#uploads.values()].filter((open) => !open.busy && weigh(open) > 0);
    return idle.sort((a, b) => weights.get(b.client)! - weights.get(a.client)!)[0];
  }

  /** Counts bytes before they are added. @throws LIMIT_EXCEEDED, TOO_MANY_REQUESTS where busy uploads use all the space */
  take(open: OpenUpload, count: number): void {
    const { limits } = this.#options;
    checkLimit(limits, "uploadBytes", open.bytes + count, "the upload");
    while (this.#bytes + count > limits.uploadBytes) {
      const idle = this.#longestIdle(({ bytes }) => bytes);
      if (!idle) throw tooMany(`open uploads hold ${this.#bytes} bytes; ${limitFlag("uploadBytes")}`);
      this.#abandon(idle);
    }
    open.bytes += count;
    this.#bytes += count;
  }

  /** @throws BLOB_UPLOAD_UNKNOWN */
  find(repo: RepoName, id: string): OpenUpload {
    const found = this.#uploads.get(id);
    if (found?.repo === repo) return found;
    throw new GantryError("BLOB_UPLOAD_UNKNOWN", `${repo}: there is no such upload; start one with POST`);
  }

  /** Makes the id unknown. The upload keeps its bytes. */
  forget(open: OpenUpload): void {
    clearTimeout(open.timer);
    if (this.#uploads.delete(open.id)) this.#bytes -= open.bytes;
  }

  /** Forgets an upload and removes its bytes. */
  async drop(open: OpenUpload): Promise<void> {
    this.forget(open);
    await open.upload.cancel();
  }

  #abandon(open: OpenUpload): void {
    this.drop(open).catch((error: unknown) => this.#options.onError(error, open));
  }

  /** Makes an upload idle; it is dropped if it stays so. */
  #rest(open: OpenUpload): void {
    this.#uploads.delete(open.id);
    this.#uploads.set(open.id, open);
    open.timer = setTimeout(() => this.#abandon(open), this.#options.idleMs).unref();
  }

  /** Runs a request that adds to an upload. @throws BLOB_UPLOAD_INVALID where another request is still adding to it */
  async adding(open: OpenUpload, work: () => Promise<void>): Promise<void> {
    await this.quiet(open);
    if (open.busy) throw new GantryError("BLOB_UPLOAD_INVALID", "another request is adding to this upload");
    this.find(open.repo, open.id);
    clearTimeout(open.timer);
    let done = (): void => {};
    open.busy = new Promise((resolve) => {
      done = resolve;
    });
    try {
      await work();
    } finally {
      open.busy = undefined;
      if (this.#uploads.has(open.id)) this.#rest(open);
      done();
    }
  }

  /**
   * Waits a little for the request that is adding to an upload: a client may retry after a broken connection before the
   * server notices that it broke.
   */
  async quiet(open: OpenUpload): Promise<void> {
    const end = new AbortController();
    await Promise.race([open.busy, sleep(open.busy ? QUIET_MS : 0, end.signal).catch(() => {})]);
    end.abort();
  }
}

function tooMany(what: string): GantryError<"TOO_MANY_REQUESTS"> {
  return new GantryError("TOO_MANY_REQUESTS", `${what} raises this; finish or cancel some, or wait, then retry`);
}

/** The key of a client: its IPv4 address, or the first 64 bits of its IPv6 address, as one host may use all the others. */
export function clientOf(address: string | undefined): string {
  const plain = (address ?? "").replace(/^::ffff:(?=\d+\.)/i, "");
  if (!plain.includes(":")) return plain;
  const [head = "", tail] = plain.split("::");
  const groups = head === "" ? [] : head.split(":");
  const after = tail ? tail.split(":") : [];
  const zeros = tail === undefined ? 0 : 8 - groups.length - after.length;
  return [...groups, ...Array<string>(Math.max(0, zeros)).fill("0"), ...after].slice(0, 4).join(":");
}
