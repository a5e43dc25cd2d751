/**
 * What a role logs of how it fares: each change once. What fails again and again is in between taken up again
 * each time, for a moment: that is no news, and neither is the same failure after it.
 */
import type { Clock } from '../../commands/clock.ts';

/** What is well counts when it has lasted so long. */
export const STEADY_MS = 2_000;
/** Where `isSo` cannot say for sure: longer than all tries to connect of one attempt. */
const MAX_LOOKS = 10;

export interface Tidings {
  /** Said at once, unless it is what was said last. */
  now(what: string, say: () => void): void;
  /** Said when it has lasted, unless it is what was said last. `isSo`: whether it is seen to be so by then. */
  lasting(what: string, say: () => void, isSo?: () => boolean): void;
  stop(): void;
}

/** @param first what need not be said at the beginning */
export function tidings(clock: Clock, first: string): Tidings {
  let said = first;
  let waiting: { readonly what: string; readonly ended: AbortController } | null = null;
  const forget = () => {
    waiting?.ended.abort();
    waiting = null;
  };
  const wait = async (ended: AbortController, isSo: () => boolean) => {
    for (let look = 0; look < MAX_LOOKS; look++) {
      await clock.sleep(STEADY_MS, ended.signal);
      if (ended.signal.aborted || isSo()) return;
    }
  };
  return {
    now(what, say) {
      forget();
      if (said === what) return;
      said = what;
      say();
    },
    lasting(what, say, isSo = () => true) {
      if (waiting?.what === what) return;
      forget();
      if (said === what) return;
      const ended = new AbortController();
      waiting = { what, ended };
      void wait(ended, isSo).then(() => {
        if (ended.signal.aborted) return;
        waiting = null;
        said = what;
        say();
      });
    },
    stop: forget,
  };
}
