/**
 * Runs a source ahead of its reader by at most `maxAhead` items, so that the next is read while this one
 * is worked on. The source must queue calls of next(), as async generators do. `stop` is called when the
 * reader leaves: it must make the source end.
 */
export async function* readAhead<A>(
  source: AsyncGenerator<A>,
  maxAhead: number,
  stop: () => void,
): AsyncGenerator<A> {
  const pending: Promise<IteratorResult<A>>[] = [];
  try {
    for (;;) {
      while (pending.length <= maxAhead) {
        const next = source.next();
        // Its reader may have left by the time it fails.
        next.catch(() => {});
        pending.push(next);
      }
      const item = await pending.shift()!;
      if (item.done) return;
      yield item.value;
    }
  } finally {
    stop();
    await Promise.allSettled(pending);
    await source.return(undefined);
  }
}
