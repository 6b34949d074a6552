import { createGunzip } from "node:zlib";
import { GantryError, messageOf } from "../base/error.ts";
import type { Compression } from "../spec/media-types.ts";
import { dataBehindPadding, HandleInflater, handleWorks, type InflateSink, invalidGzip } from "./zlib-handle.ts";

/** Passes every compressed chunk to `write`, and lends it until `write` has returned, as `content.pipe` does. */
type ChunkSource = (write: (chunk: Uint8Array) => void | Promise<void>) => Promise<void>;

/** Decompresses the chunks of a source into a sink. */
export type Decompress = (source: ChunkSource, sink: InflateSink) => Promise<void>;

/**
 * The decompressor for a compression, which throws INVALID_COMPRESSION. gzip may have any number of members, and zeros
 * after them; a stream that ends early is an error.
 * @throws UNSUPPORTED_COMPRESSION
 */
export function decompressor(compression: Compression): Decompress {
  if (compression === "none") return passThrough;
  if (compression === "gzip") return handleWorks() ? gunzipByHandle : gunzipByStream;
  throw new GantryError(
    "UNSUPPORTED_COMPRESSION",
    `layers compressed with ${compression} are not supported yet; use a gzip variant of the image`,
    { details: { compression } },
  );
}

/** Copies bytes into the sink's buffers. */
async function fill(chunk: Uint8Array, sink: InflateSink): Promise<void> {
  for (let at = 0; at < chunk.byteLength; ) {
    const buffer = sink.next();
    const count = Math.min(buffer.length, chunk.byteLength - at);
    buffer.set(chunk.subarray(at, at + count));
    at += count;
    const wait = sink.commit(count);
    if (wait) await wait;
  }
}

const passThrough: Decompress = (source, sink) => source((chunk) => fill(chunk, sink));

const gunzipByHandle: Decompress = async (source, sink) => {
  const inflater = new HandleInflater(sink);
  try {
    await source(async (chunk) => {
      for (const wait of inflater.write(chunk)) await wait;
    });
    for (const wait of inflater.finish()) await wait;
  } finally {
    inflater.close();
  }
};

/** Uses the public stream, for versions of Node whose private handle has changed. */
export const gunzipByStream: Decompress = async (source, sink) => {
  const gunzip = createGunzip({ chunkSize: 1 << 20 });
  let taken = 0;
  /** One past the last byte of the input that is not zero. */
  let filled = 0;
  let sourceError: { readonly error: unknown } | undefined;
  const feeding = source((chunk) => {
    for (let at = chunk.byteLength; at > 0; at -= 1) {
      if (chunk[at - 1] === 0) continue;
      filled = taken + at;
      break;
    }
    taken += chunk.byteLength;
    // After its last member the stream takes no more bytes. The bytes that follow are checked below.
    if (gunzip.readableEnded || gunzip.destroyed) return;
    // The chunk is lent, but the stream keeps it until it is inflated.
    if (gunzip.write(Buffer.from(chunk))) return;
    return new Promise<void>((resolve) => {
      const settle = (): void => {
        gunzip.off("drain", settle).off("close", settle);
        resolve();
      };
      gunzip.on("drain", settle).on("close", settle);
    });
  }).then(
    () => void gunzip.end(),
    (error: unknown) => {
      sourceError = { error };
      gunzip.destroy(error as Error);
    },
  );
  try {
    for await (const chunk of gunzip) await fill(chunk as Buffer, sink);
    await feeding;
  } catch (error) {
    gunzip.destroy();
    await feeding;
    if (String((error as { code?: unknown | undefined }).code).startsWith("Z_"))
      throw invalidGzip(messageOf(error), error);
    throw sourceError ? sourceError.error : error;
  }
  if (sourceError) throw sourceError.error;
  if (taken === 0) throw invalidGzip("it is empty");
  if (filled > gunzip.bytesWritten) throw dataBehindPadding();
};
