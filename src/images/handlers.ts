import { requireParallel } from "../base/async.ts";
import { GantryError } from "../base/error.ts";
import { checkLimit, defaultLimits, type Limits } from "../base/limits.ts";
import type { Descriptor } from "../spec/types.ts";
import { type GraphOptions, isDocument } from "./graph.ts";

/** A handler receives this with the descriptor. */
export interface HandlerContext {
  /** Aborted when the caller ends the walk, or another handler fails. */
  readonly signal?: AbortSignal | undefined;
  /** 1 for the descriptors that the walk starts with. */
  readonly depth: number;
}

/**
 * Handles one node of an image graph, and returns its children, which are walked next. It may throw {@link StopHandler},
 * {@link SkipDesc} or {@link SkipSiblings}; any other error ends the walk.
 */
export type Handler = (
  descriptor: Descriptor,
  context: HandlerContext,
) => Promise<readonly Descriptor[] | undefined> | Promise<void> | readonly Descriptor[] | undefined | void;

/** A handler throws one to control a walk: the error itself, or another error that has it as a cause. */
class Steering extends Error {
  override readonly name = "Steering";
}

/** Ends a chain of {@link handlers}; the children from earlier handlers stay. Elsewhere it is an ordinary error. */
export const StopHandler: Error = new Steering("StopHandler: no further handler of this chain");
/** Skips the children of this descriptor. */
export const SkipDesc: Error = new Steering("SkipDesc: nothing below this descriptor");
/** Skips the children of this descriptor and, in a walk, its later siblings. */
export const SkipSiblings: Error = new Steering("SkipSiblings: nothing below this descriptor, nor its later siblings");

/** Whether an error is one of the above, or has it as a cause. */
function isSteering(error: unknown, ...wanted: readonly Error[]): boolean {
  let cause = error;
  for (let depth = 0; depth < 16 && cause instanceof Error; depth += 1) {
    if (wanted.includes(cause)) return true;
    cause = cause.cause;
  }
  return false;
}

/** One handler that runs several in turn; its children are those of all of them. */
export function handlers(...chain: readonly Handler[]): Handler {
  return async (descriptor, context) => {
    const children: Descriptor[] = [];
    for (const handler of chain) {
      try {
        for (const child of (await handler(descriptor, context)) ?? []) children.push(child);
      } catch (error) {
        if (!isSteering(error, StopHandler)) throw error;
        break;
      }
    }
    return children;
  };
}

/** The nodes that one walk has visited, and their limits. */
class Visits {
  readonly #seen = new Set<string>();
  readonly #sizes = new Map<string, number>();
  readonly #limits: Limits;
  #bytes = 0;

  constructor(limits: Limits = defaultLimits) {
    this.#limits = limits;
  }

  /** False if the same content was visited as the same type. @throws LIMIT_EXCEEDED, INVALID_DOCUMENT, SIZE_MISMATCH */
  enter(descriptor: Descriptor): boolean {
    const { digest, mediaType, size } = descriptor;
    const other = this.#sizes.get(digest);
    if (other !== undefined && other !== size) {
      throw new GantryError(
        "SIZE_MISMATCH",
        `${digest} is listed with ${other} bytes and with ${size}; one of them is wrong`,
      );
    }
    this.#sizes.set(digest, size);
    const key = `${digest} ${mediaType}`;
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    if (!Number.isSafeInteger(size) || size < 0) {
      throw new GantryError("INVALID_DOCUMENT", `the descriptor of ${digest} has the size ${size}`);
    }
    checkLimit(this.#limits, "graphNodes", this.#seen.size, `the image graph with ${digest}: the number of nodes`);
    if (isDocument(descriptor)) this.#bytes += size;
    checkLimit(this.#limits, "graphBytes", this.#bytes, `the image graph with ${digest}: the size of its documents`);
    return true;
  }

  /** @throws LIMIT_EXCEEDED if the children of a node are too many or too deep */
  descend({ digest }: Descriptor, depth: number, children: readonly Descriptor[]): readonly Descriptor[] {
    if (children.length > 0) {
      checkLimit(this.#limits, "graphNodes", children.length, `the image graph: the number of children of ${digest}`);
      checkLimit(this.#limits, "graphDepth", depth, `the image graph: the depth of ${digest}`);
    }
    return children;
  }
}

export interface WalkOptions extends GraphOptions {}

/**
 * Calls `handler` for each descriptor, and for all its descendants before the next descriptor. The same content is visited
 * once, however often it is listed. Limits bound the size and depth of the graph.
 * @throws errors of the handler, LIMIT_EXCEEDED, the signal's reason
 */
export async function walk(
  handler: Handler,
  descriptors: Descriptor | readonly Descriptor[],
  options: WalkOptions = {},
): Promise<void> {
  const { signal, limits } = options;
  const visits = new Visits(limits);
  const visit = async (list: readonly Descriptor[], depth: number): Promise<void> => {
    for (const descriptor of list) {
      signal?.throwIfAborted();
      if (!visits.enter(descriptor)) continue;
      try {
        const children = (await handler(descriptor, { depth, signal })) ?? [];
        await visit(visits.descend(descriptor, depth, children), depth + 1);
      } catch (error) {
        if (isSteering(error, SkipSiblings)) return;
        if (!isSteering(error, SkipDesc)) throw error;
      }
    }
  };
  await visit([descriptors].flat(), 1);
}

export interface DispatchOptions extends GraphOptions {
  /** The most handlers that run at the same time. Default: 8. */
  readonly parallel?: number | undefined;
}

/**
 * As {@link walk}, but descriptors are handled at the same time, in no order. The first error aborts the signal of the
 * other handlers and is thrown when they have ended.
 */
export async function dispatch(
  handler: Handler,
  descriptors: Descriptor | readonly Descriptor[],
  options: DispatchOptions = {},
): Promise<void> {
  const { parallel = 8, limits = defaultLimits } = options;
  requireParallel(parallel);
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const visits = new Visits(limits);
  const queue: { readonly descriptor: Descriptor; readonly depth: number }[] = [];
  const add = (list: readonly Descriptor[], depth: number): void => {
    for (const descriptor of list) queue.push({ descriptor, depth });
  };
  add([descriptors].flat(), 1);
  const handle = async (descriptor: Descriptor, depth: number): Promise<void> => {
    signal.throwIfAborted();
    if (!visits.enter(descriptor)) return;
    try {
      add(visits.descend(descriptor, depth, (await handler(descriptor, { depth, signal })) ?? []), depth + 1);
    } catch (error) {
      if (!isSteering(error, SkipDesc, SkipSiblings)) throw error;
    }
  };
  let failure: { readonly error: unknown } | undefined;
  let working = 0;
  let next = 0;
  await new Promise<void>((resolve) => {
    const proceed = (): void => {
      for (; !failure && working < parallel && next < queue.length; next += 1) {
        const { descriptor, depth } = queue[next]!;
        working += 1;
        handle(descriptor, depth)
          .catch((error: unknown) => {
            failure ??= { error };
            stop.abort(error);
          })
          .finally(() => {
            working -= 1;
            proceed();
          });
      }
      if (working === 0 && (failure || next === queue.length)) resolve();
    };
    proceed();
  });
  if (failure) throw (failure as { error: unknown }).error;
}
