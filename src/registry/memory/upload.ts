import type { Body } from "../../content/content.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/types.ts";
import type { BlobUpload, CallOptions, UploadSession } from "../registry.ts";

/** An upload that is kept in memory. */
export class MemoryUpload implements BlobUpload {
  readonly session: UploadSession;
  readonly #chunks: Buffer[] = [];
  readonly #owner: UploadOwner;

  constructor(session: UploadSession, owner: UploadOwner) {
    this.session = session;
    this.#owner = owner;
  }

  get offset(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  async append(body: Body, { signal }: CallOptions = {}): Promise<void> {
    await body.pump((chunk) => void this.#chunks.push(Buffer.from(chunk)), signal);
  }

  async commit(digest: Digest): Promise<Descriptor> {
    this.#owner.forget();
    return this.#owner.publish(digest, Buffer.concat(this.#chunks));
  }

  async cancel(): Promise<void> {
    this.#owner.forget();
  }
}

interface UploadOwner {
  /** The upload has ended and can no longer be resumed. */
  forget(): void;
  /** @throws DIGEST_MISMATCH */
  publish(digest: Digest, bytes: Buffer): Descriptor;
}
