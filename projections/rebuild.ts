/**
 * Rebuild: a new revision fills its own tables beside the current one and is swapped in when it has
 * caught up. It runs no reactors and sends nothing: a projection only writes its tables.
 */
import type { Position, Recorded } from '../schemas/envelope.ts';
import { type Progress, type ProjectionDeps, runSession } from './session.ts';
import { Fenced, type Purpose, RebuildRunning } from './store.ts';

/** Tries of one rebuild after errors that may pass, in a row without progress. */
const MAX_RETRIES = 8;
const RETRY_MS = 250;
/** Longer than a runner's: nobody takes over a rebuild, so its holder may stall. */
const REBUILD_LEASE_MS = 10_000;
const BATCH_EVENTS = 1000;

export interface RebuildProgress {
  readonly revision: number;
  /** Events advanced over so far. */
  readonly events: number;
  readonly position: Position;
  readonly head: Position;
}

export interface RebuildOptions {
  /** Names this rebuild in the lease. */
  readonly holder: string;
  readonly signal: AbortSignal;
  progress?(now: RebuildProgress): void;
}

/**
 * Rebuilds and swaps; answers the new revision, or null when the signal aborted (the new tables are then
 * dropped by the next rebuild, and the current revision stays). Throws `RebuildRunning`, `Paused`,
 * `Halted`, or the error that did not pass.
 */
export async function rebuildProjection<T>(
  deps: ProjectionDeps<T>,
  options: RebuildOptions,
): Promise<number | null> {
  const { revision, done } = await fill(deps, options, 'rebuild', (now) => now.state === 'current');
  return done ? revision : null;
}

export interface FillThrough {
  readonly position: Position;
  /** Of these alone. */
  readonly only: (event: Recorded) => boolean;
}

/** Fills a new revision until `enough` says so, or through a position. */
export async function fill<T>(
  deps: ProjectionDeps<T>,
  options: RebuildOptions,
  purpose: Exclude<Purpose, 'serve'>,
  enough: (now: Progress) => boolean,
  through?: (revision: number) => Promise<FillThrough>,
): Promise<{ readonly revision: number; readonly done: boolean }> {
  const { projection, store, log, clock } = deps;
  const { epoch, position: head } = await log.head();
  const revision = await store.open(projection, purpose, epoch);
  let done = false;
  let eventsBefore = 0;
  const last = await through?.(revision);
  for (let retries = 0; !done && !options.signal.aborted; ) {
    const acquired = await store.acquire(projection.name, revision, options.holder, REBUILD_LEASE_MS);
    // Promoted, though the answer was lost, and fed by its runners since.
    if (acquired.kind === 'fed') return { revision, done: true };
    if (acquired.kind !== 'held') {
      if (acquired.kind === 'halted') throw new Error(acquired.reason);
      throw new RebuildRunning(`revision ${revision} of ${projection.name} was taken over`);
    }
    let events = 0;
    if (acquired.state === 'current') return { revision, done: true };
    try {
      await runSession(deps, acquired, {
        batchEvents: BATCH_EVENTS,
        signal: options.signal,
        through: last?.position,
        only: last?.only,
        committed(now) {
          events = now.events;
          const { position } = now.bookmark;
          options.progress?.({ revision, events: eventsBefore + events, position, head });
          done = last === undefined ? enough(now) : position >= last.position;
          return done;
        },
      });
      if (last !== undefined && !options.signal.aborted) done = true;
    } catch (error) {
      if (!(error instanceof Fenced) && !store.isTransient(error)) throw error;
      retries = events > 0 ? 1 : retries + 1;
      if (retries > MAX_RETRIES) throw error;
      await clock.sleep(RETRY_MS * retries, options.signal);
    } finally {
      eventsBefore += events;
      await store.release(acquired.lease).catch(() => {});
    }
  }
  return { revision, done };
}
