import { rm } from "node:fs/promises";
import { GantryError, messageOf } from "../base/error.ts";
import { algorithmOf, type Digest, Hasher } from "../spec/digest.ts";
import { fileSystemError } from "../sys/fs-error.ts";
import { openRegularFile } from "../sys/regular-file.ts";
import type { GrowingFile } from "./growing-file.ts";
import { fileBody } from "./source.ts";
import { requireDigest } from "./verifier.ts";

/** A blob that arrives before its digest is known. Its sha256 is computed as it arrives. */
export class BlobUploadFile {
  readonly #file: GrowingFile;
  readonly #publish: (digest: Digest) => Promise<void>;
  readonly #hasher = new Hasher();
  #offset = 0;
  #closed = false;

  constructor(file: GrowingFile, publish: (digest: Digest) => Promise<void>) {
    this.#file = file;
    this.#publish = publish;
  }

  /** How many bytes have arrived. */
  get offset(): number {
    return this.#offset;
  }

  #requireOpen(): void {
    if (this.#closed) throw new GantryError("BLOB_UPLOAD_UNKNOWN", "the upload has ended; start a new one");
  }

  /** @throws BLOB_UPLOAD_UNKNOWN after `commit` or `cancel`; errors of the file system */
  append(chunk: Uint8Array): void | Promise<void> {
    this.#requireOpen();
    this.#hasher.update(chunk);
    this.#offset += chunk.byteLength;
    return this.#file.append(chunk);
  }

  /**
   * Publishes the bytes under the digest that the caller claims, if it is theirs. A failure ends the upload too.
   * @param beforePublish called when the digest is proved and the blob not yet published
   * @throws DIGEST_MISMATCH, BLOB_UPLOAD_UNKNOWN, NO_SPACE, FILE_SYSTEM
   */
  async commit(digest: Digest, beforePublish: () => Promise<void> = async () => {}): Promise<void> {
    this.#requireOpen();
    this.#closed = true;
    // No bytes are appended from here on, so the hashed bytes are those of the file.
    const sha256 = this.#hasher.digest();
    try {
      await this.#file.finish();
      const computed = algorithmOf(digest) === "sha256" ? sha256 : await hashFile(this.#file.path, digest);
      requireDigest(computed, digest, `the uploaded blob of ${this.#offset} bytes`);
      await beforePublish();
      await this.#publish(digest);
      this.#file.complete();
    } catch (error) {
      await this.cancel();
      throw await fileSystemError(error, "committing an upload to", this.#file.path);
    }
  }

  /** Ends the upload and removes its file. */
  async cancel(): Promise<void> {
    this.#closed = true;
    await this.#file.fail();
    await rm(this.#file.path, { force: true }).catch((error: unknown) => {
      throw new GantryError("FILE_SYSTEM", `removing ${this.#file.path}: ${messageOf(error)}`, { cause: error });
    });
  }
}

async function hashFile(path: string, digest: Digest): Promise<Digest> {
  const { handle } = (await openRegularFile(path))!;
  const hasher = new Hasher(algorithmOf(digest));
  const body = fileBody(handle, path);
  try {
    await body.pump((chunk) => void hasher.update(chunk));
  } finally {
    await body.close();
  }
  return hasher.digest();
}
