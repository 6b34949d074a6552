import type { ByteRange } from "../registry/registry.ts";

/**
 * The `Range` of a request for a blob (RFC 9110 section 14.2).
 * @returns undefined where the whole blob is the answer: without a range, for several ranges, for another unit, and for a
 * range that is not valid, such as one that ends before it begins
 */
export function parseRange(header: string | undefined, size: number): ByteRange | "unsatisfiable" | undefined {
  const match = /^bytes=(\d*)-(\d*)$/i.exec(header ?? "");
  const [first, last] = [match?.[1] ?? "", match?.[2] ?? ""];
  if (first === "" && last === "") return undefined;
  if (first === "") {
    const length = Math.min(Number(last), size);
    return length === 0 ? "unsatisfiable" : { start: size - length, end: size };
  }
  const start = Number(first);
  const end = last === "" ? size : Math.min(Number(last) + 1, size);
  if (last !== "" && Number(last) < start) return undefined;
  return start >= size ? "unsatisfiable" : { start, end };
}

/** The `Content-Range` of a chunk: `0-499` (distribution-spec, "Pushing a blob in chunks"), or as HTTP writes it. */
export function parseContentRange(header: string | undefined): ByteRange | "malformed" | undefined {
  if (header === undefined) return undefined;
  const match = /^(?:bytes )?(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/i.exec(header);
  const [start, last] = [Number(match?.[1]), Number(match?.[2])];
  return last >= start ? { start, end: last + 1 } : "malformed";
}
