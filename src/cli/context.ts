import type { CommandContext } from "@stricli/core";

/** What a command gets from the process around it. */
export interface Context extends CommandContext {
  readonly process: NodeJS.Process;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
}
