import type { FileHandle } from "node:fs/promises";
import type { Limits } from "../base/limits.ts";
import { Once } from "../base/once.ts";
import { openRegularFile } from "../sys/regular-file.ts";
import type { Checkpoint } from "./checkpoints.ts";
import type { ChunkWriter } from "./chunk-writer.ts";
import { type Body, Content, type Expected } from "./content.ts";

export interface OpenContentOptions {
  readonly signal?: AbortSignal | undefined;
  /** Resume here. A source that cannot resume starts at the first byte: `Content.start` says where it starts. */
  readonly from?: Checkpoint | undefined;
}

/** Content that is opened only when it is needed: not if the destination has the blob or mounts it. */
export interface BlobSource {
  open(options?: OpenContentOptions): Promise<Content>;
  /** Whether `open` can be called again, to retry a transfer. */
  readonly replayable: boolean;
}

/** A reader of one repository, layout or store. Walking an image graph needs no more. */
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

/** The chunks of an iterable. Most iterables can be read once only. */
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

/** The bytes of an open file from `start` to `end` (excluded). Closing the body closes the handle. */
export function fileBody(
  handle: FileHandle,
  path: string,
  range: { start: number; end?: number | undefined } = { start: 0 },
): Body {
  const closed = new Once(() => handle.close());
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
    close: () => closed.get(),
  };
}

/** The content of a file; undefined if the file is missing. @throws NOT_REGULAR_FILE, FILE_SYSTEM */
export async function fileContent(
  expected: Expected,
  path: string,
  options: { readonly what: string; readonly limits?: Limits | undefined },
): Promise<Content | undefined> {
  const file = await openRegularFile(path);
  if (!file) return undefined;
  return new Content({ ...expected, size: expected.size ?? file.size }, fileBody(file.handle, path), options);
}
