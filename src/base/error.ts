import { type ErrorCode, type ExitCode, exitCodes } from "./codes.ts";

/** Which side of a transfer an error belongs to. */
export type Origin = "source" | "destination" | "local";

/** The facts of the message as data, such as the digests that differ. Values are safe to print: they hold no secrets. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface GantryErrorOptions {
  readonly cause?: unknown | undefined;
  readonly details?: ErrorDetails | undefined;
  readonly origin?: Origin | undefined;
}

const brand: unique symbol = Symbol.for("gantry.error");

/** An error as plain data, for another thread or process. */
export interface ErrorRecord {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details?: ErrorDetails | undefined;
  readonly origin?: Origin | undefined;
}

/**
 * The one error class. Programs act on `code`, which is stable. The message tells people what was asked, what happened,
 * and what to do next.
 */
export class GantryError<Code extends ErrorCode = ErrorCode> extends Error {
  override readonly name = "GantryError";
  readonly code: Code;
  readonly details: ErrorDetails;
  readonly origin: Origin | undefined;

  constructor(code: Code, message: string, options: GantryErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
    this.origin = options.origin;
    Object.defineProperty(this, brand, { value: true });
  }

  /** The same error with this origin, unless it has one. */
  at(origin: Origin): GantryError<Code> {
    if (this.origin !== undefined) return this;
    return new GantryError(this.code, this.message, { cause: this.cause ?? this, details: this.details, origin });
  }

  toRecord(): ErrorRecord {
    return { code: this.code, message: this.message, details: this.details, origin: this.origin };
  }

  static fromRecord(record: ErrorRecord): GantryError {
    return new GantryError(record.code, record.message, record);
  }
}

/** True for errors of this class, also from another copy of this package; with `codes`, only for those codes. */
export function isGantryError<Code extends ErrorCode = ErrorCode>(
  error: unknown,
  ...codes: readonly Code[]
): error is GantryError<Code> {
  if (typeof error !== "object" || error === null || !(brand in error)) return false;
  return codes.length === 0 || codes.includes((error as unknown as GantryError<Code>).code);
}

/** The command's exit code for an error: that of its code, or 1 for other classes of errors. */
export function exitCodeOf(error: unknown): ExitCode {
  return isGantryError(error) ? (exitCodes[error.code] ?? 1) : 1;
}

/** Runs `work` and marks its errors with the side of a transfer that they belong to. */
export async function withOrigin<T>(origin: Origin, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isGantryError(error) ? error.at(origin) : error;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Node's error code (`ENOENT`, `ECONNRESET`), if the error has one. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown | undefined } | null)?.code;
  return typeof code === "string" ? code : undefined;
}

/** True if the error has one of these codes of Node. */
export function hasErrno(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes(errnoOf(error) ?? "");
}
