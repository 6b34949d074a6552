/** The first and last byte of a 206 response, and the size of the whole where the server tells it. */
export interface ContentRange {
  readonly first: number;
  readonly last: number;
  readonly whole: number | undefined;
}

/** Parses a Content-Range header (RFC 9110 section 14.4); undefined for anything that is not a range of bytes. */
export function parseContentRange(header: string | undefined): ContentRange | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(header ?? "");
  if (!match) return undefined;
  const [, first, last, whole] = match;
  return { first: Number(first), last: Number(last), whole: whole === "*" ? undefined : Number(whole) };
}
