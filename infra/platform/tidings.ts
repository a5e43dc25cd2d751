/**
 * What a role logs of how it fares: each change once. What fails again and again is in between taken up again
 * each time, for a moment: that is no news, and neither is the same failure after it.
 */
import type { Clock } from '../../commands/clock.ts';

/** What is well counts when it has lasted so long. */
export const STEADY_MS = 2_000;
/** Longer than one try takes: those that cannot go on pass the work to each other, and stand by in between. */
export const TRY_MS = 20_000;

export interface Tidings {
  /** Said at once, unless it is what was said last. */
  now(what: string, say: () => void): void;
  /** Said when it has lasted, unless it is what was said last, and is seen to be so, if that can be asked. */
  lasting(what: string, say: () => void, isSo?: (lastedMs: number) => boolean): void;
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
  const wait = async (ended: AbortController, isSo: (lastedMs: number) => boolean) => {
    for (let lastedMs = STEADY_MS; ; lastedMs += STEADY_MS) {
      await clock.sleep(STEADY_MS, ended.signal);
      if (ended.signal.aborted || isSo(lastedMs)) return;
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
