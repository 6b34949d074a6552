const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const quoted = /"((?:[^"\\]|\\.)*)"/y;
const space = /[ \t]*/y;
const commas = /[ \t,]*/y;

/**
 * Reads a header from left to right by the grammar of RFC 9110 section 5.6. Each pattern is tried at one position, so
 * the time grows linearly with the length of the header, whatever its content.
 */
export class HeaderReader {
  readonly #header: string;
  #at = 0;

  constructor(header: string) {
    this.#header = header;
  }

  get ended(): boolean {
    return this.#at >= this.#header.length;
  }

  /** Takes what a sticky pattern matches at the position: its first group where it has one, else the whole match. */
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#header);
    if (!match) return undefined;
    this.#at = pattern.lastIndex;
    return match[1] ?? match[0];
  }

  /** Takes `symbol`, and the space before it, if it comes next; else takes nothing. */
  takeSymbol(symbol: string): boolean {
    const before = this.#at;
    this.take(space);
    if (this.#header[this.#at] === symbol) {
      this.#at += 1;
      return true;
    }
    this.#at = before;
    return false;
  }

  /** A token, in lower case. */
  takeName(): string | undefined {
    this.take(space);
    return this.take(token)?.toLowerCase();
  }

  /** A token, or a quoted string without its quotes. */
  takeValue(): string | undefined {
    this.take(space);
    return this.#header[this.#at] === '"' ? this.take(quoted)?.replace(/\\(.)/g, "$1") : this.take(token);
  }

  passCommas(): void {
    this.take(commas);
  }
}
