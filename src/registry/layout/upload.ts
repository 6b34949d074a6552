import type { Body } from "../../content/content.ts";
import type { BlobUploadFile } from "../../content/upload-file.ts";
import type { Digest } from "../../spec/digest.ts";
import { mediaTypes } from "../../spec/media-types.ts";
import type { Descriptor } from "../../spec/types.ts";
import type { BlobUpload, CallOptions, UploadSession } from "../registry.ts";

/** Called by an upload when it ends. */
interface UploadOwner {
  /** The upload has ended and can no longer be resumed. */
  forget(): void;
  /** The blob will be used under this digest. */
  willUse(digest: Digest): Promise<void>;
  /** The digest is verified, and the blob is published after this. */
  proved(digest: Digest): Promise<void>;
}

/** An upload into a file of a blob directory. */
export class DirectoryUpload implements BlobUpload {
  readonly session: UploadSession;
  readonly #file: BlobUploadFile;
  readonly #owner: UploadOwner;

  constructor(session: UploadSession, file: BlobUploadFile, owner: UploadOwner) {
    this.session = session;
    this.#file = file;
    this.#owner = owner;
  }

  get offset(): number {
    return this.#file.offset;
  }

  async append(body: Body, { signal }: CallOptions = {}): Promise<void> {
    await body.pump((chunk) => this.#file.append(chunk), signal);
  }

  async commit(digest: Digest): Promise<Descriptor> {
    this.#owner.forget();
    const size = this.#file.offset;
    await this.#owner.willUse(digest);
    await this.#file.commit(digest, () => this.#owner.proved(digest));
    return { mediaType: mediaTypes.octetStream, digest, size };
  }

  async cancel(): Promise<void> {
    this.#owner.forget();
    await this.#file.cancel();
  }
}
