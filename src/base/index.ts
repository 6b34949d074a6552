export { abortable, forEachParallel, Semaphore, SingleFlight, sleep } from "./async.ts";
export type * from "./codes.ts";
export { exitCodes } from "./codes.ts";
export {
  type ErrorDetails,
  type ErrorRecord,
  errnoOf,
  exitCodeOf,
  GantryError,
  type GantryErrorOptions,
  isGantryError,
  messageOf,
  type Origin,
  withOrigin,
} from "./error.ts";
export { checkLimit, defaultLimits, type LimitName, type Limits, limitFlag, parseLimits } from "./limits.ts";
export type { OperationOptions, Progress, ProgressEvent } from "./progress.ts";
export { formatBytes, printable } from "./text.ts";
export { version } from "./version.ts";
