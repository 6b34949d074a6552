import { GantryError } from "../base/error.ts";
import { checkLimit, defaultLimits, type Limits } from "../base/limits.ts";
import { ExtendedHeaders, isExtendedHeader } from "./extended.ts";
import { checksumMatches, invalidTar, numberField, paxInteger, paxTime, textField } from "./fields.ts";
import { BLOCK, type EntryType, paddingOf, type TarHeader } from "./header.ts";

/** Called by a reader. Data chunks are lent: they are valid until the call returns. */
export interface TarHandler {
  entry(header: TarHeader): void;
  /** Data of the last entry, which is a file. */
  data(chunk: Buffer): void;
  /** The last entry has no more data; called for every entry. */
  entryEnd(): void;
}

const types: Readonly<Record<string, EntryType>> = {
  "\0": "file",
  "0": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "directory",
  "6": "fifo",
  "7": "file",
};

/** The kind of the next bytes. */
type State = "header" | "data" | "extended" | "padding" | "end";

/**
 * Reads ustar, pax (with global headers) and GNU archives from chunks of any length, synchronously. Archives that tools
 * read in different ways are refused: another reader could see other entries. Bytes after the end marker are ignored.
 *
 * Throws INVALID_TAR, UNSUPPORTED_TAR (sparse files, volumes), LIMIT_EXCEEDED (extended headers).
 */
export class TarReader {
  readonly #handler: TarHandler;
  readonly #limits: Limits;
  readonly #block = Buffer.alloc(BLOCK);
  #filled = 0;
  #state: State = "header";
  #left = 0;
  #padding = 0;
  #zeroBlocks = 0;
  #extendedType = "";
  #extended: Buffer[] = [];
  readonly #described: ExtendedHeaders;

  constructor(handler: TarHandler, options: { readonly limits?: Limits | undefined } = {}) {
    this.#handler = handler;
    this.#limits = options.limits ?? defaultLimits;
    this.#described = new ExtendedHeaders(this.#limits);
  }

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      switch (this.#state) {
        case "header":
          at = this.#takeHeader(chunk, at);
          break;
        case "data": {
          const count = Math.min(this.#left, chunk.length - at);
          this.#handler.data(chunk.subarray(at, at + count));
          at += count;
          this.#left -= count;
          if (this.#left === 0) this.#endEntry();
          break;
        }
        case "extended": {
          const count = Math.min(this.#left, chunk.length - at);
          this.#extended.push(Buffer.from(chunk.subarray(at, at + count)));
          at += count;
          this.#left -= count;
          if (this.#left === 0) this.#endExtended();
          break;
        }
        case "padding": {
          const count = Math.min(this.#padding, chunk.length - at);
          at += count;
          this.#padding -= count;
          if (this.#padding === 0) this.#state = "header";
          break;
        }
        case "end":
          return;
      }
    }
  }

  /** Ends the archive. A missing end marker is accepted, as tar does. @throws INVALID_TAR inside an entry */
  finish(): void {
    const isBetween = this.#state === "header" && this.#filled === 0 && !this.#described.isPending;
    if (this.#state === "end" || isBetween) return;
    throw invalidTar("the archive ends in the middle of an entry");
  }

  #takeHeader(chunk: Buffer, at: number): number {
    if (this.#filled === 0 && chunk.length - at >= BLOCK) {
      this.#header(chunk.subarray(at, at + BLOCK));
      return at + BLOCK;
    }
    const count = Math.min(BLOCK - this.#filled, chunk.length - at);
    chunk.copy(this.#block, this.#filled, at, at + count);
    this.#filled += count;
    if (this.#filled === BLOCK) {
      this.#filled = 0;
      this.#header(this.#block);
    }
    return at + count;
  }

  #header(block: Buffer): void {
    if (block[0] === 0 && isZero(block)) {
      this.#zeroBlocks += 1;
      if (this.#zeroBlocks === 2) {
        if (this.#described.isPending) throw invalidTar("an extended header is followed by no entry");
        this.#state = "end";
      }
      return;
    }
    if (this.#zeroBlocks > 0) throw invalidTar("an entry follows a block of zeros");
    if (!checksumMatches(block)) throw invalidTar("the checksum of an entry's header is wrong");
    const flag = String.fromCharCode(block[156]!);
    const size = numberField(block, 124, 12, "size");
    if (size < 0) throw invalidTar("the size of an entry is negative");
    if (isExtendedHeader(flag)) this.#beginExtended(flag, size);
    else this.#entry(block, flag, size);
  }

  #beginExtended(flag: string, size: number): void {
    checkLimit(
      this.#limits,
      "tarHeaderBytes",
      size,
      `an extended header (type ${flag}) of ${size} bytes in an archive`,
    );
    this.#extendedType = flag;
    this.#extended = [];
    this.#left = size;
    this.#padding = paddingOf(size);
    this.#state = "extended";
    if (size === 0) this.#endExtended();
  }

  #endExtended(): void {
    const data = Buffer.concat(this.#extended);
    this.#extended = [];
    this.#skipPadding();
    this.#described.take(this.#extendedType, data);
  }

  #entry(block: Buffer, flag: string, blockSize: number): void {
    const described = this.#described;
    if (flag === "S" || described.isSparse) {
      throw new GantryError(
        "UNSUPPORTED_TAR",
        "the archive holds a sparse file in a GNU format, which layers must not contain; pack it without --sparse",
      );
    }
    let type = types[flag];
    if (!type)
      throw new GantryError(
        "UNSUPPORTED_TAR",
        `the archive holds an entry of the unknown type ${JSON.stringify(flag)}`,
      );
    const name = Buffer.from(described.name ?? nameField(block));
    const linkname = Buffer.from(described.linkname ?? textField(block, 157, 100));
    const paxSize = described.record("size");
    let size = paxSize ? paxInteger(paxSize, "size") : blockSize;
    if (size < 0) throw invalidTar("the size of an entry is negative");
    // Before ustar a directory was a file whose name ends in a slash.
    if (flag === "\0" && name.at(-1) === 0x2f) type = "directory";
    if (type === "hardlink") size = 0;
    else if (type !== "file" && size > 0) {
      throw invalidTar(
        `an entry of type ${type} declares ${size} bytes of data, which some readers skip and others read as entries`,
      );
    }
    const integer = (key: string, start: number, length: number): number => {
      const value = described.record(key);
      return value ? paxInteger(value, key) : numberField(block, start, length, key);
    };
    const mtime = described.record("mtime");
    const header: TarHeader = {
      type,
      name,
      linkname,
      size,
      mode: numberField(block, 100, 8, "mode") & 0o7777,
      uid: integer("uid", 108, 8),
      gid: integer("gid", 116, 8),
      mtime: mtime ? paxTime(mtime, "mtime") : { seconds: numberField(block, 136, 12, "mtime"), nanoseconds: 0 },
      major: type === "char" || type === "block" ? numberField(block, 329, 8, "device number") : 0,
      minor: type === "char" || type === "block" ? numberField(block, 337, 8, "device number") : 0,
      xattrs: described.xattrs,
    };
    described.endEntry();
    this.#left = size;
    this.#padding = paddingOf(size);
    this.#state = "data";
    this.#handler.entry(header);
    if (size === 0) this.#endEntry();
  }

  #endEntry(): void {
    this.#skipPadding();
    this.#handler.entryEnd();
  }

  #skipPadding(): void {
    this.#state = this.#padding > 0 ? "padding" : "header";
  }
}

/**
 * The name in a header. Only ustar, whose magic ends in a NUL, has a prefix for it: the GNU format keeps times in its
 * place.
 */
function nameField(block: Buffer): Buffer {
  const name = textField(block, 0, 100);
  const prefix = block.toString("latin1", 257, 263) === "ustar\0" ? textField(block, 345, 155) : undefined;
  return prefix?.length ? Buffer.concat([prefix, Buffer.from("/"), name]) : name;
}

function isZero(block: Buffer): boolean {
  for (let at = 0; at < BLOCK; at += 1) if (block[at] !== 0) return false;
  return true;
}
