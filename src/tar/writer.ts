import { BLOCK, type EntryType, paddingOf, type TarHeader, type Time } from "./header.ts";

/** An entry to write. Absent fields are 0 or empty; only files have `data`. */
export interface TarEntry {
  readonly name: string | Buffer;
  readonly type?: EntryType | undefined;
  readonly data?: Uint8Array | string | undefined;
  readonly linkname?: string | Buffer | undefined;
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly mtime?: Time | number | undefined;
  readonly major?: number | undefined;
  readonly minor?: number | undefined;
  readonly xattrs?: ReadonlyMap<string, Buffer> | Readonly<Record<string, string | Buffer>> | undefined;
}

const flags: Readonly<Record<EntryType, string>> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  char: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};

const MAX_OCTAL_11 = 0o77777777777;
const MAX_OCTAL_7 = 0o7777777;

function bytes(value: string | Buffer | Uint8Array): Buffer {
  return typeof value === "string" ? Buffer.from(value) : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

/** One entry: a pax header for values that ustar cannot hold, and a ustar header. Equal entries give equal bytes. */
export function encodeEntry(entry: TarEntry): Buffer {
  const type = entry.type ?? "file";
  const data = type === "file" ? bytes(entry.data ?? "") : Buffer.alloc(0);
  const mtime =
    typeof entry.mtime === "number"
      ? { seconds: entry.mtime, nanoseconds: 0 }
      : (entry.mtime ?? { seconds: 0, nanoseconds: 0 });
  const header: TarHeader = {
    type,
    name: bytes(entry.name),
    linkname: bytes(entry.linkname ?? ""),
    size: data.length,
    mode: entry.mode ?? (type === "directory" ? 0o755 : 0o644),
    uid: entry.uid ?? 0,
    gid: entry.gid ?? 0,
    mtime,
    major: entry.major ?? 0,
    minor: entry.minor ?? 0,
    xattrs: toMap(entry.xattrs),
  };
  const pax = paxOf(header);
  const parts = [encodeHeader(header, flags[type]), data, padding(data.length)];
  if (pax.length > 0) {
    const records = Buffer.concat(pax);
    const extended = {
      ...header,
      name: Buffer.from("PaxHeader"),
      linkname: Buffer.alloc(0),
      size: records.length,
      uid: 0,
      gid: 0,
    };
    parts.unshift(
      encodeHeader({ ...extended, mtime: { seconds: 0, nanoseconds: 0 } }, "x"),
      records,
      padding(records.length),
    );
  }
  return Buffer.concat(parts);
}

/** A whole archive with its end marker. */
export function encodeTar(entries: Iterable<TarEntry>): Buffer {
  return Buffer.concat([...Array.from(entries, encodeEntry), Buffer.alloc(2 * BLOCK)]);
}

function toMap(xattrs: TarEntry["xattrs"]): ReadonlyMap<string, Buffer> {
  if (!xattrs) return new Map();
  if (xattrs instanceof Map) return xattrs;
  return new Map(Object.entries(xattrs).map(([name, value]) => [name, bytes(value as string | Buffer)]));
}

const padding = (length: number): Buffer => Buffer.alloc(paddingOf(length));

const isAscii = (value: Buffer): boolean => value.every((byte) => byte < 0x80);

function paxOf(header: TarHeader): Buffer[] {
  const records = new Map<string, Buffer>();
  if (header.name.length > 100 || !isAscii(header.name)) records.set("path", header.name);
  if (header.linkname.length > 100 || !isAscii(header.linkname)) records.set("linkpath", header.linkname);
  if (header.size > MAX_OCTAL_11) records.set("size", Buffer.from(String(header.size)));
  if (header.uid > MAX_OCTAL_7) records.set("uid", Buffer.from(String(header.uid)));
  if (header.gid > MAX_OCTAL_7) records.set("gid", Buffer.from(String(header.gid)));
  const { seconds, nanoseconds } = header.mtime;
  if (nanoseconds !== 0 || seconds < 0 || seconds > MAX_OCTAL_11)
    records.set("mtime", Buffer.from(formatTime(header.mtime)));
  for (const [name, value] of header.xattrs) records.set(`SCHILY.xattr.${name}`, value);
  return [...records.keys()].sort().map((key) => paxRecord(key, records.get(key)!));
}

function formatTime({ seconds, nanoseconds }: Time): string {
  if (nanoseconds === 0) return String(seconds);
  const [whole, part] = seconds < 0 ? [-seconds - 1, 1e9 - nanoseconds] : [seconds, nanoseconds];
  return `${seconds < 0 ? "-" : ""}${whole}.${String(part).padStart(9, "0").replace(/0+$/, "")}`;
}

/** `LENGTH KEY=VALUE\n`, where the length counts its own digits. */
export function paxRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from("\n")]);
  let length = rest.length + String(rest.length).length;
  if (rest.length + String(length).length !== length) length = rest.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** One header block with its checksum; `flag` is the type in the archive. */
export function encodeHeader(header: TarHeader, flag: string): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number): void => {
    const max = 8 ** (length - 1) - 1;
    block.write(
      Math.max(0, Math.min(value, max))
        .toString(8)
        .padStart(length - 1, "0"),
      at,
      "latin1",
    );
  };
  header.name.copy(block, 0, 0, 100);
  octal(header.mode, 100, 8);
  octal(header.uid, 108, 8);
  octal(header.gid, 116, 8);
  octal(header.size, 124, 12);
  octal(header.mtime.seconds, 136, 12);
  block.write(flag, 156, "latin1");
  header.linkname.copy(block, 157, 0, 100);
  block.write("ustar\u000000", 257, "latin1");
  octal(header.major, 329, 8);
  octal(header.minor, 337, 8);
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}
