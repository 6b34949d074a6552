import { GantryError } from "../base/error.ts";

/** Warnings are for people, who do not read more of them than this. */
const MAX_WARNINGS = 100;

/** What a target could not keep of the entries. */
export class Warnings {
  readonly texts: string[] = [];
  readonly #strict: boolean;
  readonly #kinds = new Set<string>();

  /** @param options.strict throw what would be a warning */
  constructor({ strict = false }: { readonly strict?: boolean | undefined } = {}) {
    this.#strict = strict;
  }

  /**
   * Adds a warning, unless there was one of the same kind.
   * @throws UNSUPPORTED if strict
   */
  add(kind: string, text: string): void {
    if (this.#strict) throw new GantryError("UNSUPPORTED", `${text}; without strict it would be left out`);
    if (this.#kinds.has(kind) || this.texts.length >= MAX_WARNINGS) return;
    this.#kinds.add(kind);
    this.texts.push(text);
  }
}
