/** One challenge of a WWW-Authenticate header (RFC 9110 section 11.6.1); the scheme and parameter names in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const space = /[ \t]*/y;
const commas = /[ \t,]*/y;
const quoted = /"((?:[^"\\]|\\.)*)"/y;

/** Parses the challenges of a header; what follows something unreadable is dropped. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(header);
    if (match) at = pattern.lastIndex;
    return match;
  };
  for (take(commas); at < header.length; take(commas)) {
    const word = take(token)?.[0];
    if (word === undefined) break;
    const afterWord = at;
    take(space);
    if (header[at] !== "=") {
      at = afterWord;
      challenges.push({ scheme: word.toLowerCase(), parameters: {} });
      continue;
    }
    at += 1;
    take(space);
    const value = header[at] === '"' ? take(quoted)?.[1]?.replace(/\\(.)/g, "$1") : take(token)?.[0];
    const current = challenges.at(-1);
    if (value === undefined || !current) break;
    current.parameters[word.toLowerCase()] ??= value;
  }
  return challenges;
}
