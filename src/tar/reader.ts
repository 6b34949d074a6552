import { GantryError } from "../base/error.ts";
import { checkLimit, defaultLimits, type Limits } from "../base/limits.ts";
import { checksumMatches, invalidTar, numberField, paxInteger, paxRecords, paxTime, textField } from "./fields.ts";
import { BLOCK, type EntryType, type TarHeader } from "./header.ts";

/** What a reader tells. Data chunks are lent: they are only good until the call returns. */
export interface TarHandler {
  entry(header: TarHeader): void;
  /** Data of the newest entry, a file. */
  data(chunk: Buffer): void;
  /** All data of the newest entry was handed over; called for every entry. */
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

/** Where bytes that arrive belong. */
type State = "header" | "data" | "extended" | "padding" | "end";

const XATTR = "SCHILY.xattr.";

/**
 * Reads ustar, pax (with global headers) and GNU archives from chunks of any length, synchronously. What tools read
 * in different ways is refused, as another reader could see other entries. Bytes after the end are not looked at.
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
  /** Records of global pax headers that act on entries; others are not kept. */
  readonly #global = new Map<string, Buffer>();
  #globalBytes = 0;
  #pax: Map<string, Buffer> | undefined;
  #longName: Buffer | undefined;
  #longLink: Buffer | undefined;

  constructor(handler: TarHandler, options: { readonly limits?: Limits | undefined } = {}) {
    this.#handler = handler;
    this.#limits = options.limits ?? defaultLimits;
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

  /** Ends the archive: it must not stop inside an entry. A missing end marker is forgiven, as tar does. */
  finish(): void {
    const pending = this.#pax || this.#longName || this.#longLink;
    if (this.#state === "end" || (this.#state === "header" && this.#filled === 0 && !pending)) return;
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
        if (this.#pax || this.#longName || this.#longLink)
          throw invalidTar("an extended header is followed by no entry");
        this.#state = "end";
      }
      return;
    }
    if (this.#zeroBlocks > 0) throw invalidTar("an entry follows a block of zeros");
    if (!checksumMatches(block)) throw invalidTar("the checksum of an entry's header is wrong");
    const flag = String.fromCharCode(block[156]!);
    const size = numberField(block, 124, 12, "size");
    if (size < 0) throw invalidTar("the size of an entry is negative");
    if (flag === "x" || flag === "g" || flag === "L" || flag === "K") return this.#beginExtended(flag, size);
    this.#entry(block, flag, size);
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
    this.#padding = pad(size);
    this.#state = "extended";
    if (size === 0) this.#endExtended();
  }

  #endExtended(): void {
    const data = Buffer.concat(this.#extended);
    this.#extended = [];
    this.#skipPadding();
    if (this.#extendedType === "g") return this.#keepGlobal(paxRecords(data));
    if (this.#extendedType === "x") {
      if (this.#pax) throw invalidTar("two pax headers precede one entry");
      this.#pax = paxRecords(data);
      return;
    }
    const name = textField(data, 0, data.length);
    if (this.#extendedType === "L") {
      if (this.#longName) throw invalidTar("two long names precede one entry");
      this.#longName = name;
    } else {
      if (this.#longLink) throw invalidTar("two long link names precede one entry");
      this.#longLink = name;
    }
  }

  /** @throws LIMIT_EXCEEDED: what is in force costs every entry that follows */
  #keepGlobal(records: ReadonlyMap<string, Buffer>): void {
    for (const [key, value] of records) {
      if (!acts(key)) continue;
      const old = this.#global.get(key);
      if (old) this.#globalBytes -= key.length + old.length;
      if (value.length > 0) this.#globalBytes += key.length + value.length;
      if (value.length > 0) this.#global.set(key, value);
      else this.#global.delete(key);
      const what = "the global pax headers of an archive: the number of records";
      checkLimit(this.#limits, "tarGlobalRecords", this.#global.size, what);
      checkLimit(this.#limits, "tarHeaderBytes", this.#globalBytes, "the size of the global pax headers of an archive");
    }
  }

  #entry(block: Buffer, flag: string, blockSize: number): void {
    const pax = this.#pax;
    const records = (key: string): Buffer | undefined => {
      const value = pax?.get(key) ?? this.#global.get(key);
      return value && value.length > 0 ? value : undefined;
    };
    if (flag === "S" || [...(pax?.keys() ?? []), ...this.#global.keys()].some((key) => key.startsWith(SPARSE))) {
      throw new GantryError(
        "UNSUPPORTED_TAR",
        "the archive holds a sparse file in a GNU format, which layers must not; pack it without --sparse",
      );
    }
    let type = types[flag];
    if (!type)
      throw new GantryError(
        "UNSUPPORTED_TAR",
        `the archive holds an entry of the unknown type ${JSON.stringify(flag)}`,
      );
    const name = this.#name(block, records("path"), this.#longName, 0, 100, true);
    const linkname = this.#name(block, records("linkpath"), this.#longLink, 157, 100, false);
    const paxSize = records("size");
    let size = paxSize ? paxInteger(paxSize, "size") : blockSize;
    if (size < 0) throw invalidTar("the size of an entry is negative");
    // Before ustar a directory was a file whose name ends in a slash.
    if (flag === "\0" && name.at(-1) === 0x2f) type = "directory";
    if (type === "hardlink") size = 0;
    else if (type !== "file" && size > 0) {
      throw invalidTar(
        `an entry of type ${type} declares ${size} bytes of data, which some readers skip and others take for entries`,
      );
    }
    const integer = (key: string, start: number, length: number): number => {
      const value = records(key);
      return value ? paxInteger(value, key) : numberField(block, start, length, key);
    };
    const mtime = records("mtime");
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
      xattrs: this.#xattrs(pax),
    };
    this.#pax = undefined;
    this.#longName = undefined;
    this.#longLink = undefined;
    this.#left = size;
    this.#padding = pad(size);
    this.#state = "data";
    this.#handler.entry(header);
    if (size === 0) this.#endEntry();
  }

  /** A name from the pax record, the GNU long name or the header; where two extended ones differ, nobody knows which. */
  #name(
    block: Buffer,
    pax: Buffer | undefined,
    long: Buffer | undefined,
    start: number,
    length: number,
    prefixed: boolean,
  ): Buffer {
    if (pax && long && !pax.equals(long)) throw invalidTar("a pax header and a GNU long name give one entry two names");
    if (pax ?? long) return Buffer.from((pax ?? long)!);
    const name = textField(block, start, length);
    // ustar proper has a NUL after its magic; the GNU format keeps other things where the prefix is.
    const isUstar = prefixed && block.toString("latin1", 257, 263) === "ustar\0";
    const prefix = isUstar ? textField(block, 345, 155) : undefined;
    return prefix?.length ? Buffer.concat([prefix, Buffer.from("/"), name]) : Buffer.from(name);
  }

  #xattrs(pax: Map<string, Buffer> | undefined): ReadonlyMap<string, Buffer> {
    if (!pax && this.#global.size === 0) return noXattrs;
    let found: Map<string, Buffer> | undefined;
    for (const records of [this.#global, pax]) {
      for (const [key, value] of records ?? []) {
        if (!key.startsWith(XATTR)) continue;
        found ??= new Map();
        found.set(key.slice(XATTR.length), value);
      }
    }
    return found ?? noXattrs;
  }

  #endEntry(): void {
    this.#skipPadding();
    this.#handler.entryEnd();
  }

  #skipPadding(): void {
    this.#state = this.#padding > 0 ? "padding" : "header";
  }
}

/** The keys of pax records that change an entry. */
const ENTRY_KEYS: ReadonlySet<string> = new Set(["path", "linkpath", "size", "uid", "gid", "mtime"]);
const SPARSE = "GNU.sparse.";

const acts = (key: string): boolean => ENTRY_KEYS.has(key) || key.startsWith(XATTR) || key.startsWith(SPARSE);

const noXattrs: ReadonlyMap<string, Buffer> = new Map();

const pad = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;

function isZero(block: Buffer): boolean {
  for (let at = 0; at < BLOCK; at += 1) if (block[at] !== 0) return false;
  return true;
}
