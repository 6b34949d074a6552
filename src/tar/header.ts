/** The type of an entry. A `hardlink` names another entry. Old `contiguous` files are plain files. */
export type EntryType = "file" | "directory" | "symlink" | "hardlink" | "char" | "block" | "fifo";

/** A point in time to the nanosecond; `nanoseconds` counts up from `seconds`, also before 1970. */
export interface Time {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** One entry of an archive, with extended headers applied. Names are bytes: archives have no encoding. */
export interface TarHeader {
  readonly type: EntryType;
  readonly name: Buffer;
  readonly linkname: Buffer;
  /** Bytes of data that follow; 0 for all but files. */
  readonly size: number;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Time;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: ReadonlyMap<string, Buffer>;
}

export const BLOCK = 512;

/** The number of bytes that fill the last block of `size` bytes. */
export const paddingOf = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;
