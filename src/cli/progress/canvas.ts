/** Lines at the end of a terminal that are redrawn in place. Each change is one write, so nothing flickers. */
export class Canvas {
  readonly #terminal: NodeJS.WriteStream;
  #drawn: readonly string[] = [];

  constructor(terminal: NodeJS.WriteStream) {
    this.#terminal = terminal;
  }

  /** Node keeps both up to date; some terminals report 0. */
  size(): { readonly columns: number; readonly rows: number } {
    return { columns: this.#terminal.columns || 80, rows: this.#terminal.rows || 24 };
  }

  draw(lines: readonly string[]): void {
    if (lines.length === this.#drawn.length && lines.every((line, at) => line === this.#drawn[at])) return;
    this.#write("", lines);
  }

  /** Writes text that stays, above the lines. */
  say(text: string): void {
    this.#write(`\u001b[J${text}\n`, this.#drawn);
  }

  /** Removes the lines, and a `^C` that the terminal has printed at the cursor. */
  clear(): void {
    this.#write("\u001b[J", []);
  }

  #write(before: string, lines: readonly string[]): void {
    const text = lines.map((line) => `${line}\u001b[K\n`).join("");
    this.#terminal.write(`\r${this.#home()}${before}${text}\u001b[J`);
    this.#drawn = lines;
  }

  /** Moves to the first line. When the terminal has become narrower, a line takes several rows. */
  #home(): string {
    const { columns } = this.size();
    const rows = this.#drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)), 0);
    return rows > 0 ? `\u001b[${rows}A` : "";
  }
}
