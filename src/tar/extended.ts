import { checkLimit, type Limits } from "../base/limits.ts";
import { invalidTar, paxRecords, textField } from "./fields.ts";

const XATTR = "SCHILY.xattr.";
const SPARSE = "GNU.sparse.";
/** The keys of pax records that change an entry. */
const ENTRY_KEYS: ReadonlySet<string> = new Set(["path", "linkpath", "size", "uid", "gid", "mtime"]);

const acts = (key: string): boolean => ENTRY_KEYS.has(key) || key.startsWith(XATTR) || key.startsWith(SPARSE);

const noXattrs: ReadonlyMap<string, Buffer> = new Map();

/** The types of headers that describe the next entry (`x`, `L`, `K`) or all that follow (`g`). */
export const isExtendedHeader = (flag: string): boolean => flag === "x" || flag === "g" || flag === "L" || flag === "K";

/** The pax and GNU extended headers that describe the next entry. */
export class ExtendedHeaders {
  readonly #limits: Limits;
  /** Records of global pax headers that act on entries; others are not kept. */
  readonly #global = new Map<string, Buffer>();
  #globalBytes = 0;
  #pax: Map<string, Buffer> | undefined;
  #longName: Buffer | undefined;
  #longLink: Buffer | undefined;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** True if a header describes an entry that has not been read yet. */
  get isPending(): boolean {
    return (this.#pax ?? this.#longName ?? this.#longLink) !== undefined;
  }

  /** @throws INVALID_TAR, also if two headers of a kind precede one entry; LIMIT_EXCEEDED */
  take(flag: string, data: Buffer): void {
    if (flag === "g") return this.#takeGlobal(paxRecords(data));
    if (flag === "x") {
      if (this.#pax) throw invalidTar("two pax headers precede one entry");
      this.#pax = paxRecords(data);
    } else if (flag === "L") {
      if (this.#longName) throw invalidTar("two long names precede one entry");
      this.#longName = textField(data, 0, data.length);
    } else {
      if (this.#longLink) throw invalidTar("two long link names precede one entry");
      this.#longLink = textField(data, 0, data.length);
    }
  }

  /** @throws LIMIT_EXCEEDED, because each record costs time at every entry that follows */
  #takeGlobal(records: ReadonlyMap<string, Buffer>): void {
    for (const [key, value] of records) {
      if (!acts(key)) continue;
      const old = this.#global.get(key);
      if (old) this.#globalBytes -= key.length + old.length;
      if (value.length > 0) {
        this.#globalBytes += key.length + value.length;
        this.#global.set(key, value);
      } else this.#global.delete(key);
      const what = "the global pax headers of an archive: the number of records";
      checkLimit(this.#limits, "tarGlobalRecords", this.#global.size, what);
      checkLimit(this.#limits, "tarHeaderBytes", this.#globalBytes, "the size of the global pax headers of an archive");
    }
  }

  /** The value of a pax record; an empty one counts as absent. */
  record(key: string): Buffer | undefined {
    const value = this.#pax?.get(key) ?? this.#global.get(key);
    return value && value.length > 0 ? value : undefined;
  }

  /** True if the next entry is a sparse file of GNU tar. */
  get isSparse(): boolean {
    const isMark = (key: string): boolean => key.startsWith(SPARSE);
    return [...(this.#pax?.keys() ?? [])].some(isMark) || [...this.#global.keys()].some(isMark);
  }

  /** The name of the entry, if an extended header gives one. @throws INVALID_TAR if two of them differ */
  get name(): Buffer | undefined {
    return same(this.record("path"), this.#longName);
  }

  /** As {@link name}, for the target of a link. */
  get linkname(): Buffer | undefined {
    return same(this.record("linkpath"), this.#longLink);
  }

  get xattrs(): ReadonlyMap<string, Buffer> {
    if (!this.#pax && this.#global.size === 0) return noXattrs;
    let found: Map<string, Buffer> | undefined;
    for (const records of [this.#global, this.#pax]) {
      for (const [key, value] of records ?? []) {
        if (!key.startsWith(XATTR)) continue;
        found ??= new Map();
        found.set(key.slice(XATTR.length), value);
      }
    }
    return found ?? noXattrs;
  }

  /** Drops the headers that described only the entry that was just read. */
  endEntry(): void {
    this.#pax = undefined;
    this.#longName = undefined;
    this.#longLink = undefined;
  }
}

/** Readers differ in which of two names they believe, so two different ones are refused. */
function same(pax: Buffer | undefined, long: Buffer | undefined): Buffer | undefined {
  if (pax && long && !pax.equals(long)) throw invalidTar("a pax header and a GNU long name give one entry two names");
  return pax ?? long;
}
