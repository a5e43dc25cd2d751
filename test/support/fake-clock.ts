/** A clock that stands still until a test moves it. */
import type { Clock } from '../../commands/clock.ts';

export interface FakeClock extends Clock {
  /** Moves on by `ms`, waking sleepers in the order of their times, each with what follows from it. */
  advance(ms: number): Promise<void>;
  /** How many sleep now. */
  sleepers(): number;
}

export function fakeClock(startMs = Date.parse('2026-01-01T00:00:00Z')): FakeClock {
  let nowMs = startMs;
  const sleeping = new Set<{ readonly atMs: number; readonly wake: () => void }>();
  return {
    now: () => nowMs,
    sleep(ms, signal) {
      return new Promise((resolve) => {
        if (signal?.aborted || ms <= 0) return resolve();
        const sleeper = {
          atMs: nowMs + ms,
          wake() {
            sleeping.delete(sleeper);
            signal?.removeEventListener('abort', sleeper.wake);
            resolve();
          },
        };
        sleeping.add(sleeper);
        signal?.addEventListener('abort', sleeper.wake);
      });
    },
    async advance(ms) {
      const untilMs = nowMs + ms;
      for (;;) {
        await settled();
        const next = [...sleeping].reduce<number>((least, s) => Math.min(least, s.atMs), untilMs);
        nowMs = Math.max(nowMs, next);
        const due = [...sleeping].filter((s) => s.atMs <= nowMs);
        for (const sleeper of due) sleeper.wake();
        if (due.length === 0 && nowMs >= untilMs) return settled();
      }
    },
    sleepers: () => sleeping.size,
  };
}

/** Lets everything run that waits for nothing but its turn. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
