import type { Limits } from "../base/limits.ts";
import type { BlobDirectory } from "../content/blob-directory.ts";
import type { IndexFile } from "../registry/layout/index-file.ts";
import type { Advice } from "./advice.ts";
import type { NamesExport } from "./export.ts";
import type { Names } from "./names.ts";
import type { VersionFile } from "./version-file.ts";

/** The parts of a store, for functions that need several of them: creating, collecting, checking, rebuilding. */
export interface StoreParts {
  readonly directory: string;
  readonly limits: Limits;
  /** Writes out the commands that errors and findings advise. */
  readonly advice: Advice;
  readonly version: VersionFile;
  readonly blobs: BlobDirectory;
  readonly names: Names;
  readonly index: IndexFile;
  /** Writes the names into the index. */
  readonly exports: NamesExport;
}
