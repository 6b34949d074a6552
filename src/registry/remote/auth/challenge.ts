import { HeaderReader } from "../header-reader.ts";

/** One challenge of a WWW-Authenticate header (RFC 9110 section 11.6.1); the scheme and parameter names in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** Parses the challenges of a header, up to the first syntax error. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  const reader = new HeaderReader(header);
  for (reader.passCommas(); !reader.ended; reader.passCommas()) {
    const word = reader.takeName();
    if (word === undefined) break;
    if (!reader.takeSymbol("=")) {
      challenges.push({ scheme: word, parameters: {} });
      continue;
    }
    const value = reader.takeValue();
    const current = challenges.at(-1);
    if (value === undefined || !current) break;
    current.parameters[word] ??= value;
  }
  return challenges;
}
