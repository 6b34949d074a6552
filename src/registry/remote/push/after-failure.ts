/** How far an upload has got, and how it is sent. Sizes and offsets in bytes. */
export interface UploadProgress {
  /** The size of the blob. */
  readonly size: number;
  /** Bytes that the registry has, as far as is known. At `size` only the commit is missing. */
  readonly offset: number;
  /** The largest offset so far: bytes that are sent again are no progress. */
  readonly furthest: number;
  /** Failures in a row without progress between them. */
  readonly stalled: number;
  /** The most that is sent in one request; undefined: all that is left. */
  readonly chunk: number | undefined;
  /** The least that the registry takes in one request, except for the last (`OCI-Chunk-Min-Length`). */
  readonly minChunk: number;
  /** Whether the blob has been sent from its start a second time. */
  readonly restarted: boolean;
}

/** What to do after a failed request; `progress` is that of the next request. */
export type NextStep =
  | { readonly step: "resume" | "restart"; readonly progress: UploadProgress }
  | { readonly step: "give up"; readonly reason: "stalled" | "forgotten" | "too large"; readonly offset: number };

/** Chunk sizes to try, one after the other, where the registry, or a proxy before it, refuses larger requests. */
const CHUNKS: readonly number[] = [16 << 20, 4 << 20, 1 << 20];
/** The chunk size for a registry that drops the bytes of broken requests: it keeps those of complete requests. */
const RESTART_CHUNK = 8 << 20;
/** The fewest bytes that count as progress. */
const MIN_PROGRESS = 64 << 10;
/** The most failures in a row without progress. */
const MAX_STALLED = 3;

/** An upload of a blob of `size` bytes before its first request. */
export function startOf(size: number): UploadProgress {
  return { size, offset: 0, furthest: 0, stalled: 0, chunk: undefined, minChunk: 0, restarted: false };
}

/** The progress after a request that brought the upload to `offset`. */
export function advanced(progress: UploadProgress, offset: number): UploadProgress {
  if (offset <= progress.furthest) return { ...progress, offset };
  return { ...progress, offset, furthest: offset, stalled: 0 };
}

/**
 * Decides how an upload continues after a failed request.
 * @param progress that was made before the request
 * @param reported bytes that the registry says it has; undefined where it knows of no such upload
 */
export function afterFailure(
  failure: "too large" | "forgotten" | "interrupted",
  progress: UploadProgress,
  reported: number | undefined,
): NextStep {
  // A request that is refused for its size changes nothing.
  const offset = reported ?? (failure === "too large" ? progress.offset : undefined);
  if (offset === undefined) return fromStart(progress);
  const gained = offset - progress.furthest;
  const furthest = Math.max(progress.furthest, offset);
  const stalled = gained >= MIN_PROGRESS ? 0 : progress.stalled + (failure === "too large" ? 0 : 1);
  const smaller = failure === "too large" || gained < MIN_PROGRESS ? smallerChunk(progress) : undefined;
  if (failure === "too large" && smaller === undefined) return { step: "give up", reason: "too large", offset };
  if (stalled > MAX_STALLED) return { step: "give up", reason: "stalled", offset };
  return { step: "resume", progress: { ...progress, offset, furthest, stalled, chunk: smaller ?? progress.chunk } };
}

/** The registry has lost all bytes of the blob. The blob is sent from its start once more, in chunks. */
function fromStart(progress: UploadProgress): NextStep {
  if (progress.restarted) return { step: "give up", reason: "forgotten", offset: progress.offset };
  const stalled = progress.stalled + 1;
  if (stalled > MAX_STALLED) return { step: "give up", reason: "stalled", offset: 0 };
  return {
    step: "restart",
    progress: { ...progress, offset: 0, furthest: 0, stalled, chunk: RESTART_CHUNK, restarted: true },
  };
}

/** The next smaller chunk that the registry takes, if there is one. */
function smallerChunk({ size, chunk, minChunk }: UploadProgress): number | undefined {
  const smaller = CHUNKS.find((each) => each < (chunk ?? size));
  return smaller !== undefined && smaller >= minChunk ? smaller : undefined;
}

/** The smallest request that the registry has refused for its size: fewer bytes cannot be sent. */
export function leastChunk({ size, chunk, minChunk }: UploadProgress): number {
  return Math.min(chunk ?? size, Math.max(minChunk, CHUNKS.at(-1)!));
}
