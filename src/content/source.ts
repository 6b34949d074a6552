import type { FileHandle } from "node:fs/promises";
import type { Limits } from "../base/limits.ts";
import { openRegularFile } from "../sys/regular-file.ts";
import type { Checkpoint } from "./checkpoints.ts";
import { type Body, type ChunkWriter, Content, type Expected } from "./content.ts";

export interface OpenContentOptions {
  readonly signal?: AbortSignal | undefined;
  /**
   * Leave out what comes before. Who cannot do so starts at the first byte: `Content.start` says where it begins.
   */
  readonly from?: Checkpoint | undefined;
}

/** Content that is opened when it is needed: a mount, or a blob that is already there, opens nothing. */
export interface BlobSource {
  open(options?: OpenContentOptions): Promise<Content>;
  /** Whether `open` can be called again: what cannot be replayed is never sent twice. */
  readonly replayable: boolean;
}

/** A reader of one repository, layout or store: all that walking an image graph needs. */
export interface Provider {
  read(descriptor: Expected, options?: { readonly signal?: AbortSignal | undefined }): Promise<Content>;
}

export const CHUNK_SIZE: number = 1 << 20;

export function bytesBody(bytes: Uint8Array): Body {
  return {
    async pump(write, signal) {
      for (let at = 0; at < bytes.byteLength; at += CHUNK_SIZE) {
        signal?.throwIfAborted();
        await write(bytes.subarray(at, at + CHUNK_SIZE));
      }
    },
    close() {},
  };
}

export function bytesContent(expected: Expected, bytes: Uint8Array, what: string): Content {
  return new Content(expected, bytesBody(bytes), { what });
}

export function bytesSource(expected: Expected, bytes: Uint8Array, what = `blob ${expected.digest}`): BlobSource {
  return { replayable: true, open: async () => bytesContent(expected, bytes, what) };
}

/** Any iterable of chunks as content; it is not replayable. */
export function iterableBody(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Body {
  return {
    async pump(write: ChunkWriter, signal) {
      for await (const chunk of chunks) {
        signal?.throwIfAborted();
        await write(chunk);
      }
    },
    close() {},
  };
}

/** The bytes of an open file; the handle is closed with the body. */
export function fileBody(
  handle: FileHandle,
  path: string,
  range: { start: number; end?: number | undefined } = { start: 0 },
): Body {
  let closing: Promise<void> | undefined;
  const end = range.end ?? Number.POSITIVE_INFINITY;
  return {
    file: path,
    async pump(write, signal) {
      const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(CHUNK_SIZE, end - range.start)));
      for (let at = range.start; at < end; ) {
        signal?.throwIfAborted();
        const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, end - at), at);
        if (bytesRead === 0) break;
        at += bytesRead;
        await write(buffer.subarray(0, bytesRead));
      }
    },
    close() {
      closing ??= handle.close();
      return closing;
    },
  };
}

/** Content of a file, opened with {@link openRegularFile}; undefined where there is none. */
export async function fileContent(
  expected: Expected,
  path: string,
  options: { readonly what: string; readonly limits?: Limits | undefined },
): Promise<Content | undefined> {
  const file = await openRegularFile(path);
  if (!file) return undefined;
  return new Content({ ...expected, size: expected.size ?? file.size }, fileBody(file.handle, path), options);
}
