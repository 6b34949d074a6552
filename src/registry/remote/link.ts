import { HeaderReader } from "./header-reader.ts";

const target = /<([^>]*)>/y;

/** The target of the first link to the next page in a Link header (RFC 8288 section 3); what follows something unreadable is dropped. */
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
      // A second one does not count.
      if (name === "rel") relations ??= value;
    }
    if (relations?.toLowerCase().split(/\s+/).includes("next")) return to;
  }
  return undefined;
}
