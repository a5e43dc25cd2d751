/** One call at a time, shared by all who ask while it is on its way, and never waited for without end. */
import type { Clock } from '../commands/clock.ts';

export class DeadlineExceeded extends Error {
  override readonly name = 'DeadlineExceeded';
}

/** Calls given up on may hang for as long as their engine lets them; with this many, none is started. */
const MAX_HANGING = 8;

/** Rejects with `DeadlineExceeded` when the work is not done in `ms`; the work itself goes on. */
export async function withDeadline<T>(clock: Clock, ms: number, work: Promise<T>): Promise<T> {
  const done = new AbortController();
  const late = clock.sleep(ms, done.signal).then(() => {
    if (!done.signal.aborted) throw new DeadlineExceeded(`no answer in ${ms} ms`);
    return work;
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    done.abort();
    late.catch(() => {});
  }
}

/** Who asks while a call is under way shares the next one: each call starts after it was asked for. */
export function nextFlight<T>(flight: SingleFlight<T>): SingleFlight<T> {
  let under: Promise<T> | null = null;
  let next: Promise<T> | null = null;
  const start = (): Promise<T> => {
    const started = flight.run();
    under = started;
    next = null;
    const settle = () => {
      if (under === started) under = null;
    };
    started.then(settle, settle);
    return started;
  };
  return {
    run() {
      if (next === null && under === null) return start();
      next ??= under!.then(start, start);
      return next;
    },
  };
}

export interface SingleFlight<T> {
  /** Joins the call that is under way, or starts one. Rejects as the call does, or at its deadline. */
  run(): Promise<T>;
}

/**
 * @param call is given `current`, which turns false once the call was given up on: what it finds after
 *   that must be dropped, for a later call may have found newer things.
 */
export function singleFlight<T>(
  clock: Clock,
  deadlineMs: number,
  call: (current: () => boolean) => Promise<T>,
): SingleFlight<T> {
  let flight: Promise<T> | null = null;
  let serial = 0;
  let hanging = 0;
  return {
    run() {
      if (flight) return flight;
      if (hanging >= MAX_HANGING) return Promise.reject(new DeadlineExceeded(`${hanging} calls hang`));
      const mine = ++serial;
      const work = call(() => mine === serial && flight !== null);
      hanging++;
      const settle = () => {
        hanging--;
      };
      work.then(settle, settle);
      const joined: Promise<T> = withDeadline(clock, deadlineMs, work).finally(() => {
        flight = null;
      });
      flight = joined;
      return joined;
    },
  };
}
