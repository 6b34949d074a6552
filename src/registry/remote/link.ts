import { HeaderReader } from "./header-reader.ts";

const target = /<([^>]*)>/y;

/** The first link to the next page in a Link header (RFC 8288 section 3), before any syntax error. */
export function nextLink(header: string): string | undefined {
  const reader = new HeaderReader(header);
  for (reader.passCommas(); !reader.ended; reader.passCommas()) {
    const to = reader.take(target);
    if (to === undefined) return undefined;
    let relations: string | undefined;
    while (reader.takeSymbol(";")) {
      const name = reader.takeName();
      if (name === undefined) continue;
      const value = reader.takeSymbol("=") ? reader.takeValue() : "";
      if (value === undefined) return undefined;
      // Only the first `rel` of a link counts.
      if (name === "rel") relations ??= value;
    }
    if (relations?.toLowerCase().split(/\s+/).includes("next")) return to;
  }
  return undefined;
}
