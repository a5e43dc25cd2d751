/** A deadline for what has none of its own. */
import type { Clock } from '../commands/clock.ts';

export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
  readonly what: string;
  constructor(timeoutMs: number, what: string) {
    super(`no answer within ${timeoutMs} ms: ${what}`);
    this.what = what;
  }
}

/**
 * `what` begins with the name of the engine that is asked, where there is one.
 *
 * Rejects with `NoAnswer` when `work` has not ended in time; `work` itself goes on, and nobody hears of it.
 */
export async function within<T>(clock: Clock, timeoutMs: number, what: string, work: Promise<T>): Promise<T> {
  const done = new AbortController();
  const late = clock.sleep(timeoutMs, done.signal).then(() => {
    throw new NoAnswer(timeoutMs, what);
  });
  late.catch(() => {});
  work.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    done.abort();
  }
}
