/**
 * Waiting for a projection to reach a position. All who wait for one projection share one look at it: were
 * each to read on every notification, two hundred commands a second would cost thousands of reads, and the
 * projection itself would wait behind them.
 */
import type { Clock } from '../../commands/clock.ts';
import { type Position, START } from '../../schemas/envelope.ts';
import type { Pool, Prepared } from './pool.ts';

/** Notifications only hurry the wait; without one it looks again after this. */
const LOOK_EVERY_MS = 25;

const LOOK: Prepared = {
  name: 'projection-look',
  text: `SELECT k."position", k.halted FROM plinth.projections p
    JOIN plinth.progress k ON k.projection = p.name AND k.revision = p.current_revision
    WHERE p.name = $1`,
};

export interface PositionWaits {
  /**
   * Resolves when the projection may have reached the position, when something is wrong with it, after
   * `waitMs`, or when the signal aborts: the reader looks for itself.
   */
  reached(projection: string, position: Position, waitMs: number): Promise<void>;
  /** A read has seen the projection there; it may be further back than before, after a swap or a restore. */
  saw(projection: string, position: Position): void;
  /** The projection has moved; without a name, any of them. */
  hint(projection: string): void;
  /** A runner of this process has moved it there. */
  moved(projection: string, position: Position): void;
}

interface Waiting {
  readonly position: Position;
  resolve(): void;
}

interface Watched {
  seen: Position;
  readonly waiting: Set<Waiting>;
  /** A look is on its way, and whether something was said since it was sent. */
  looking: boolean;
  again: boolean;
  /** Looks are repeated as long as somebody waits. */
  repeating: boolean;
}

export function positionWaits(pool: Pool, clock: Clock, signal: AbortSignal): PositionWaits {
  const watched = new Map<string, Watched>();

  function watch(projection: string): Watched {
    let one = watched.get(projection);
    if (one === undefined) {
      one = { seen: START, waiting: new Set(), looking: false, again: false, repeating: false };
      watched.set(projection, one);
    }
    return one;
  }

  function release(one: Watched, has: (waiting: Waiting) => boolean): void {
    for (const waiting of one.waiting) if (has(waiting)) waiting.resolve();
  }

  async function look(projection: string, one: Watched): Promise<void> {
    if (one.looking) {
      one.again = true;
      return;
    }
    one.looking = true;
    do {
      one.again = false;
      try {
        const [row] = await pool.query<{ position: Position; halted: string | null }>(LOOK, [projection]);
        one.seen = row?.position ?? START;
        release(one, (waiting) => !row || row.halted !== null || waiting.position <= one.seen);
      } catch {
        // The read that follows says what is wrong.
        release(one, () => true);
      }
    } while (one.again && one.waiting.size > 0);
    one.looking = false;
  }

  /** As long as somebody waits. */
  async function keepLooking(projection: string, one: Watched): Promise<void> {
    if (one.repeating) return;
    one.repeating = true;
    while (one.waiting.size > 0 && !signal.aborted) {
      await clock.sleep(LOOK_EVERY_MS, signal);
      await look(projection, one);
    }
    one.repeating = false;
  }

  signal.addEventListener('abort', () => {
    for (const one of watched.values()) release(one, () => true);
  });

  return {
    reached(projection, position, waitMs) {
      const one = watch(projection);
      if (position <= one.seen || signal.aborted) return Promise.resolve();
      const over = new AbortController();
      return new Promise<void>((resolve) => {
        const waiting = {
          position,
          resolve() {
            if (!one.waiting.delete(waiting)) return;
            over.abort();
            resolve();
          },
        };
        one.waiting.add(waiting);
        void clock.sleep(waitMs, over.signal).then(() => waiting.resolve());
        // It may have come there between the look before and now.
        void look(projection, one);
        void keepLooking(projection, one);
      });
    },
    saw(projection, position) {
      watch(projection).seen = position;
    },
    moved(projection, position) {
      const one = watch(projection);
      one.seen = position;
      release(one, (waiting) => waiting.position <= position);
    },
    hint(projection) {
      for (const [name, one] of watched) {
        if (one.waiting.size > 0 && (projection === '' || projection === name)) void look(name, one);
      }
    },
  };
}
