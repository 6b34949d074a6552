import { checkLimit, type Limits } from "../base/limits.ts";
import { shown } from "./paths.ts";

/** Counts the entries and directories that layers create, and throws at a limit or when the caller wants to stop. */
export class TreeBounds {
  readonly #limits: Limits;
  readonly #check: () => void;
  #entries = 0;
  /** The root is one. */
  #directories = 1;

  /** @param check called for each entry, chunk of data and removal; throws to stop */
  constructor(limits: Limits, check: () => void) {
    this.#limits = limits;
    this.#check = check;
  }

  /** Entries of the archives, and directories that were created though no entry describes them. */
  get entries(): number {
    return this.#entries;
  }

  /** The number of symbolic links that one path may lead through. */
  get symlinks(): number {
    return this.#limits.symlinks;
  }

  /** @throws the error that the caller throws to stop */
  check(): void {
    this.#check();
  }

  /** @throws LIMIT_EXCEEDED, the error that the caller throws to stop */
  countEntry(): void {
    this.#check();
    this.#entries += 1;
    checkLimit(this.#limits, "entries", this.#entries, "the number of entries and directories in the image");
  }

  /** @throws LIMIT_EXCEEDED */
  addDirectory(path: string): void {
    this.#directories += 1;
    checkLimit(this.#limits, "directories", this.#directories, "the number of directories in the image");
    this.checkDepth(path.split("/"));
  }

  removeDirectory(): void {
    this.#directories -= 1;
  }

  /** @throws LIMIT_EXCEEDED */
  checkDepth(components: readonly string[]): void {
    if (components.length <= this.#limits.pathDepth) return;
    const what = `the depth of the path ${shown(components.slice(0, 8).join("/"))}...`;
    checkLimit(this.#limits, "pathDepth", components.length, what);
  }
}
