import { createGunzip, gzipSync } from "node:zlib";
import { GantryError } from "../base/error.ts";

/**
 * Node's inflate without its streams: three times as fast on layers. The handle is private to Node, so only this file
 * uses it, and `handleWorks` tests it first.
 */

const Z_NO_FLUSH = 0;
const Z_FINISH = 4;

interface ZlibHandle {
  writeSync(
    flush: number,
    input: Uint8Array | null,
    inputAt: number,
    inputLength: number,
    output: Uint8Array,
    outputAt: number,
    outputLength: number,
  ): void;
  close(): void;
  onerror: (message: string, errno: number, code: string) => void;
}

/** Receives inflated bytes in buffers of its own, so that nothing is copied. */
export interface InflateSink {
  /** The next buffer to fill, not empty. */
  next(): Buffer;
  /** Takes the first `length` bytes of that buffer. If it returns a promise, the inflater waits for it. */
  commit(length: number): void | Promise<void>;
}

export type Waits = Generator<Promise<void>, void>;

/**
 * Inflates a gzip stream of any number of members. `write` and `finish` are generators: they yield the promises of the
 * sink, and continue when the caller has waited for each.
 */
export class HandleInflater {
  readonly #handle: ZlibHandle;
  readonly #state: Uint32Array;
  readonly #sink: InflateSink;
  #failure: string | undefined;
  #taken = 0;
  #padding = false;

  constructor(sink: InflateSink) {
    const stream = createGunzip() as unknown as { _handle: ZlibHandle; _writeState: Uint32Array };
    this.#handle = stream._handle;
    this.#state = stream._writeState;
    this.#sink = sink;
    this.#handle.onerror = (message) => {
      this.#failure = message;
    };
  }

  *write(input: Uint8Array): Waits {
    if (this.#padding) return this.#requireZeros(input);
    this.#taken += input.byteLength;
    yield* this.#run(Z_NO_FLUSH, input);
  }

  *#run(flush: number, input: Uint8Array | null): Waits {
    let at = 0;
    let left = input?.byteLength ?? 0;
    for (;;) {
      const output = this.#sink.next();
      this.#handle.writeSync(flush, input, at, left, output, 0, output.length);
      if (this.#failure !== undefined) throw invalidGzip(this.#failure);
      const [outputLeft, inputLeft] = this.#state as unknown as [number, number];
      const progressed = inputLeft < left || outputLeft < output.length;
      at += left - inputLeft;
      left = inputLeft;
      const wait = output.length > outputLeft ? this.#sink.commit(output.length - outputLeft) : undefined;
      if (wait) yield wait;
      if (outputLeft === 0) continue;
      if (left === 0) return;
      // Zeros after a member are padding, which zlib does not consume; all bytes after them must be zeros too.
      if (!progressed) {
        this.#padding = true;
        return this.#requireZeros(input!.subarray(at));
      }
    }
  }

  #requireZeros(rest: Uint8Array): void {
    for (const byte of rest) if (byte !== 0) throw dataBehindPadding();
  }

  /** @throws INVALID_COMPRESSION if the stream ends early */
  *finish(): Waits {
    if (this.#taken === 0) throw invalidGzip("it is empty");
    if (!this.#padding) yield* this.#run(Z_FINISH, null);
  }

  close(): void {
    this.#handle.close();
  }
}

export const dataBehindPadding = (): GantryError => invalidGzip("data follows the padding after the last member");

export function invalidGzip(why: string, cause?: unknown): GantryError<"INVALID_COMPRESSION"> {
  return new GantryError("INVALID_COMPRESSION", `the gzip data is broken: ${why}`, { cause });
}

let works: boolean | undefined;

/** Whether the private handle works as the public stream does, tested once on a few small inputs. */
export function handleWorks(): boolean {
  works ??= process.env["GANTRY_ZLIB"] !== "stream" && selfTest();
  return works;
}

function selfTest(): boolean {
  try {
    const [a, b] = [Buffer.from("first member".repeat(50)), Buffer.from("second".repeat(9))];
    const members = Buffer.concat([gzipSync(a), gzipSync(b)]);
    const good = Buffer.concat([a, b]);
    const corrupt = Buffer.from(members);
    corrupt[20] = corrupt[20]! ^ 0xff;
    return (
      tryOut([members])?.equals(good) === true &&
      tryOut(Array.from(members, (_, at) => members.subarray(at, at + 1)))?.equals(good) === true &&
      tryOut([members, Buffer.alloc(512)])?.equals(good) === true &&
      tryOut([members.subarray(0, -4)]) === undefined &&
      tryOut([corrupt]) === undefined &&
      tryOut([members, Buffer.from("garbage")]) === undefined &&
      tryOut([]) === undefined
    );
  } catch {
    return false;
  }
}

/** The inflated bytes; undefined if the input was refused. */
function tryOut(inputs: readonly Uint8Array[]): Buffer | undefined {
  const buffer = Buffer.alloc(64);
  const parts: Buffer[] = [];
  const inflater = new HandleInflater({
    next: () => buffer,
    commit: (length) => void parts.push(Buffer.from(buffer.subarray(0, length))),
  });
  try {
    for (const input of inputs) for (const _ of inflater.write(input));
    for (const _ of inflater.finish());
    return Buffer.concat(parts);
  } catch (error) {
    if (error instanceof GantryError) return undefined;
    throw error;
  } finally {
    inflater.close();
  }
}
