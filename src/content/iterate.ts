type Pipe = (write: (chunk: Uint8Array) => Promise<void>, signal: AbortSignal) => Promise<void>;

/**
 * Turns chunks that are pushed, each lent until `write` has returned, into chunks that are pulled and that the consumer
 * owns. If the consumer leaves early, `pipe` is aborted with the error that `stopped` makes, and waited for.
 */
export async function* iterate(
  pipe: Pipe,
  stopped: () => Error,
  close: () => void | Promise<void>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const stop = new AbortController();
  let ready: { readonly chunk: Uint8Array; readonly taken: () => void } | undefined;
  let finished: { readonly error?: unknown } | undefined;
  let wake: () => void = () => {};
  let refuse: (reason: unknown) => void = () => {};
  stop.signal.addEventListener("abort", () => refuse(stop.signal.reason), { once: true });
  const finish = (result: { readonly error?: unknown }): void => {
    finished = result;
    wake();
  };
  const push = (chunk: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      refuse = reject;
      ready = { chunk: Buffer.from(chunk), taken: resolve };
      wake();
    });
  const done = pipe(push, stop.signal).then(
    () => finish({}),
    (error: unknown) => finish({ error }),
  );
  try {
    for (;;) {
      while (!ready && !finished) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (ready) {
        const { chunk, taken } = ready;
        ready = undefined;
        yield chunk;
        taken();
      } else if ("error" in finished!) throw finished.error;
      else return;
    }
  } finally {
    if (!finished) {
      stop.abort(stopped());
      await close();
      await done;
    }
  }
}
