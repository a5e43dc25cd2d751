/** All flags of an environment for one context, without keeping other requests waiting for long. */
import type { Clock } from '../../commands/clock.ts';
import { PlinthError } from '../../schemas/errors.ts';
import type { ServedFlag } from './served-environment.ts';

/** Others get their turn after so long; 1,000 usual flags take about 1 ms. */
const MAX_SLICE_MS = 20;
/** Of one request; an environment has at most 5,000 flags, and a rule costs at most linear time in the context. */
const MAX_EVALUATION_MS = 5_000;
/** The clock is looked at once in so many. */
const FLAGS_A_LOOK = 32;

/**
 * What `textOf` answers for each, separated by commas; null is left out. At once where it fits into one slice.
 *
 * Throws `PlinthError` `overloaded` when it takes too long altogether.
 */
export function evaluateAll(
  flags: Iterable<ServedFlag>,
  textOf: (flag: ServedFlag) => string | null,
  clock: Clock,
): string | Promise<string> {
  const rest = flags[Symbol.iterator]();
  const startedMs = clock.now();
  let all = '';
  /** Whether it is done. */
  const slice = (sliceStartedMs: number): boolean => {
    for (let seen = 1; ; seen++) {
      const next = rest.next();
      if (next.done) return true;
      const text = textOf(next.value);
      if (text !== null) all += all === '' ? text : `,${text}`;
      if (seen % FLAGS_A_LOOK === 0 && clock.now() - sliceStartedMs > MAX_SLICE_MS) return false;
    }
  };
  if (slice(startedMs)) return all;
  return (async () => {
    do {
      if (clock.now() - startedMs > MAX_EVALUATION_MS) {
        throw new PlinthError(
          'overloaded',
          'There are too many flags, or their rules are too slow, for one request.',
        );
      }
      await clock.sleep(0);
    } while (!slice(clock.now()));
    return all;
  })();
}
