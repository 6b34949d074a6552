import { GantryError } from "../base/error.ts";

/** The most warnings that are kept: people do not read more. */
const MAX_WARNINGS = 100;

/** Messages for people about what a target could not keep. */
export class Warnings {
  readonly texts: string[] = [];
  readonly #strict: boolean;
  readonly #kinds = new Set<string>();

  /** @param options.strict throw each warning as an error */
  constructor({ strict = false }: { readonly strict?: boolean | undefined } = {}) {
    this.#strict = strict;
  }

  /**
   * Adds a warning, unless there was one of the same kind.
   * @throws UNSUPPORTED if strict
   */
  add(kind: string, text: string): void {
    if (this.#strict) throw new GantryError("UNSUPPORTED", `${text}; this is an error because strict is set`);
    if (this.#kinds.has(kind) || this.texts.length >= MAX_WARNINGS) return;
    this.#kinds.add(kind);
    this.texts.push(text);
  }
}
