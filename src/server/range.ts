/** Bytes `start` to `end`, exclusive. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** RFC 9110 section 14: one range is served; several, or another unit, are answered with the whole. */
export function parseRange(header: string | undefined, size: number): ByteRange | "unsatisfiable" | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (!match || (match[1] === "" && match[2] === "")) return undefined;
  if (match[1] === "") {
    const length = Math.min(Number(match[2]), size);
    return length === 0 ? "unsatisfiable" : { start: size - length, end: size };
  }
  const start = Number(match[1]);
  const end = match[2] === "" ? size : Math.min(Number(match[2]) + 1, size);
  if (start >= size) return "unsatisfiable";
  return end > start ? { start, end } : undefined;
}

/** The first byte of a `Content-Range` of an upload (distribution-spec, "Pushing a blob in chunks"). */
export function contentRangeStart(header: string | undefined): number | undefined {
  const range = /^(?:bytes )?(\d+)-(\d+)/.exec(header ?? "");
  return range ? Number(range[1]) : undefined;
}
