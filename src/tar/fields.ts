import { GantryError } from "../base/error.ts";
import type { Time } from "./header.ts";

export function invalidTar(message: string): GantryError<"INVALID_TAR"> {
  return new GantryError("INVALID_TAR", message);
}

/** The bytes of a field up to its first NUL. */
export function textField(block: Buffer, start: number, length: number): Buffer {
  const end = block.indexOf(0, start);
  return block.subarray(start, end < 0 || end > start + length ? start + length : end);
}

/**
 * A number: octal text with padding of spaces and NULs, or base-256, whose sign bit makes it negative.
 * @throws INVALID_TAR for anything else, and past 2^53
 */
export function numberField(block: Buffer, start: number, length: number, what: string): number {
  const first = block[start]!;
  if (first & 0x80) {
    // Two's complement over all bits but the marker.
    let value = first & 0x40 ? BigInt(first | ~0xff) : BigInt(first & 0x7f);
    for (let at = start + 1; at < start + length; at += 1) value = (value << 8n) | BigInt(block[at]!);
    const number = Number(value);
    if (!Number.isSafeInteger(number)) throw invalidTar(`the ${what} of an entry is out of range`);
    return number;
  }
  let at = start;
  const end = start + length;
  while (at < end && (block[at] === 0x20 || block[at] === 0)) at += 1;
  let value = 0;
  let digits = 0;
  for (; at < end; at += 1, digits += 1) {
    const digit = block[at]! - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  for (; at < end; at += 1) {
    if (block[at] !== 0x20 && block[at] !== 0) throw invalidTar(`the ${what} of an entry is not an octal number`);
  }
  if (value > Number.MAX_SAFE_INTEGER) throw invalidTar(`the ${what} of an entry is out of range`);
  return digits === 0 ? 0 : value;
}

/** Whether the checksum is right: the sum of the bytes (POSIX), or of the signed bytes as some old programs summed. */
export function checksumMatches(block: Buffer): boolean {
  const stored = numberField(block, 148, 8, "checksum");
  let unsigned = 8 * 0x20;
  let signed = 8 * 0x20;
  for (let at = 0; at < 512; at += 1) {
    if (at === 148) at = 156;
    const byte = block[at]!;
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  return stored === unsigned || stored === signed;
}

/** A decimal number of a pax record: `size`, `uid`, `gid`. */
export function paxInteger(value: Buffer, key: string): number {
  const text = value.toString("latin1");
  const number = Number(text);
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(number))
    throw invalidTar(`the pax record ${key} is not a whole number`);
  return number;
}

/** A pax time: decimal seconds with a fraction of any length, negative before 1970. */
export function paxTime(value: Buffer, key: string): Time {
  const match = /^(-?)(\d+)(?:\.(\d*))?$/.exec(value.toString("latin1"));
  if (!match) throw invalidTar(`the pax record ${key} is not a time`);
  const whole = Number(match[2]);
  if (!Number.isSafeInteger(whole)) throw invalidTar(`the pax record ${key} is out of range`);
  const fraction = Number((match[3] ?? "").slice(0, 9).padEnd(9, "0"));
  if (!match[1]) return { seconds: whole, nanoseconds: fraction };
  return fraction === 0 ? { seconds: -whole, nanoseconds: 0 } : { seconds: -whole - 1, nanoseconds: 1e9 - fraction };
}

/**
 * The records of a pax extended header (POSIX pax, "pax Extended Header"): `LENGTH KEY=VALUE\n`, the length counting
 * itself. The last of two records with one key wins.
 */
export function paxRecords(data: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(0x20, at);
    const lengthText = data.toString("latin1", at, Math.max(at, space));
    const length = Number(lengthText);
    const end = at + length;
    const valid = space > at && space - at < 20 && /^\d+$/.test(lengthText) && end <= data.length && end > space;
    if (!valid || data[end - 1] !== 0x0a) throw invalidTar("a pax header holds a malformed record");
    const equals = data.indexOf(0x3d, space);
    if (equals < 0 || equals >= end) throw invalidTar("a pax header holds a record without a value");
    const key = data.toString("utf8", space + 1, equals);
    const value = data.subarray(equals + 1, end - 1);
    // The kernel ends a name at its first NUL, and so would see another name than the one that was checked.
    if (key === "" || key.includes("\0") || ((key === "path" || key === "linkpath") && value.includes(0))) {
      throw invalidTar(`the pax record ${JSON.stringify(key)} is malformed`);
    }
    records.set(key, Buffer.from(value));
    at = end;
  }
  return records;
}
