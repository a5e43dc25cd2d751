/** One lease held: reads, applies and commits batch after batch until something ends it. */
import type { Clock } from '../commands/clock.ts';
import type { EventLog } from '../commands/event-log.ts';
import type { Bookmark, Position, Recorded, StreamId } from '../schemas/envelope.ts';
import type { Decoder } from './decoder.ts';
import { haltReason } from './history-check.ts';
import { type Joining, joinWhenLive } from './join-feed.ts';
import { type Applied, applyItems, NeedsCare } from './parking.ts';
import { type PreparedBatch, preparedBatches } from './prepared-batches.ts';
import type { Projection } from './projection.ts';
import { readAhead } from './read-ahead.ts';
import {
  type Acquired,
  Fenced,
  type Lease,
  type ParkedStream,
  type ProjectionStore,
  type RevisionState,
} from './store.ts';

/** The live revision is held still at most this long for a swap; then it is tried again. */
const MAX_HOLD_MS = 500;
const FAR_BEHIND_MS = 5000;
/** Batches made ready while one is being written. */
const MAX_BATCHES_AHEAD = 1;

export interface ProjectionDeps<T> {
  readonly projection: Projection<T>;
  readonly store: ProjectionStore<T>;
  readonly log: Pick<EventLog, 'subscribe' | 'head' | 'eventIdAt' | 'readStream'>;
  readonly decoder: Decoder;
  readonly clock: Clock;
}

export interface Progress {
  readonly revision: number;
  readonly state: RevisionState;
  readonly bookmark: Bookmark;
  readonly live: boolean;
  /** Events advanced over in this session. */
  readonly events: number;
  readonly parkedStreams: number;
}

export interface SessionOptions {
  readonly batchEvents: number;
  /** Applies events through here and ends. */
  readonly through?: Position;
  /** Of these alone. */
  readonly only?: (event: Recorded) => boolean;
  /** Ends the session in feed mode as soon as it may. */
  readonly joining?: Joining;
  readonly signal: AbortSignal;
  /** Told when a batch is read, and when it or nothing was committed; answers whether to end the session. */
  read?(batch: PreparedBatch): void;
  committed?(progress: Progress): boolean;
}

/** The log is not the one that the checkpoint was made from; the halt is written. */
export class Halted extends Error {
  override readonly name = 'Halted';
}
/** The next event needs a newer release. */
export class Paused extends Error {
  override readonly name = 'Paused';
}

/**
 * Runs until the signal aborts, `committed` answers true, `through` is reached or the feed is joined; throws
 * for all else.
 */
export async function runSession<T>(
  deps: ProjectionDeps<T>,
  held: Extract<Acquired, { kind: 'held' }>,
  options: SessionOptions,
): Promise<void> {
  const { projection, store } = deps;
  const { lease } = held;
  let { bookmark, state } = held;
  let parked: ReadonlyMap<StreamId, ParkedStream> = new Map(held.parked.map((p) => [p.stream, p]));
  let events = 0;

  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const renewal = keepLease(deps, lease, signal, (error) => stop.abort(error));
  const { marks } = held;
  const batches = readAhead(
    preparedBatches(deps, bookmark, { ...options, marks, signal }),
    MAX_BATCHES_AHEAD,
    () => stop.abort(),
  );
  const joins = options.joining && joinWhenLive(deps, options.joining, lease, marks);
  /** The read that is under way, if nobody has taken its batch yet. */
  let reading: Promise<IteratorResult<PreparedBatch>> | undefined;
  const next = (): Promise<IteratorResult<PreparedBatch>> => {
    reading ??= batches.next();
    return reading;
  };
  const work = async (batch: PreparedBatch): Promise<void> => {
    reading = undefined;
    if (batch.mismatch !== null) {
      const reason = haltReason(projection.name, batch.mismatch);
      await store.halt(lease.projection, lease.revision, bookmark, reason);
      throw new Halted(reason);
    }
    if (batch.events > 0) {
      renewal.busy(true);
      parked = await commit(deps, lease, bookmark, parked, batch);
      renewal.busy(false);
      bookmark = batch.to;
      events += batch.events;
    }
    if (batch.newer) throw new Paused(batch.newer.message, { cause: batch.newer });
  };
  /** While the live revision is held still: not for long. */
  const catchUp = async (to: Position): Promise<void> => {
    const tooLate = deps.clock.sleep(MAX_HOLD_MS, signal).then(() => null);
    while (bookmark.position < to) {
      const item = await Promise.race([next(), tooLate]);
      if (!item || item.done) return;
      await work(item.value);
    }
  };
  try {
    for (;;) {
      const item = await next();
      if (item.done) break;
      const batch = item.value;
      options.read?.(batch);
      if (signal.aborted) break;
      await work(batch);
      if (state === 'building' && batch.live && (await store.promote(lease, catchUp)) === 'promoted') {
        state = 'current';
      }
      const progress = { state, bookmark, live: batch.live, events, parkedStreams: parked.size };
      if (options.committed?.({ ...progress, revision: lease.revision })) break;
      if (joins && state === 'current') {
        renewal.busy(true);
        if (await joins(bookmark, batch.live)) break;
        renewal.busy(false);
      }
    }
  } finally {
    stop.abort();
    await batches.return(undefined);
    await renewal.done;
  }
  if (stop.signal.reason instanceof Fenced) throw stop.signal.reason;
}

async function commit<T>(
  deps: ProjectionDeps<T>,
  lease: Lease,
  from: Bookmark,
  parked: ReadonlyMap<StreamId, ParkedStream>,
  batch: PreparedBatch,
): Promise<ReadonlyMap<StreamId, ParkedStream>> {
  if (batch.items.length === 0) {
    await deps.store.advance(lease, from, batch.to, null);
    return parked;
  }
  const attempt = async (careful: boolean) => {
    let applied: Applied | undefined;
    await deps.store.advance(lease, from, batch.to, async (advance) => {
      applied = await applyItems(deps, advance, parked, batch.items, careful);
      if (!deps.projection.publishesChanges || applied.changes.length === 0) return;
      await (isFarBehind(batch, deps.clock.now()) ? advance.prunedHere() : advance.changed(applied.changes));
    });
    return applied!.parked;
  };
  try {
    return await attempt(false);
  } catch (error) {
    if (!(error instanceof NeedsCare)) throw error;
    return attempt(true);
  }
}

/**
 * So far behind that nothing cached can be fresh until it has caught up: every head of the last 5 s is
 * past it. Telling each change would then only slow it down, by a seventh as measured.
 */
function isFarBehind(batch: PreparedBatch, nowMs: number): boolean {
  return !batch.live && batch.firstTimeMs !== null && nowMs - batch.firstTimeMs > FAR_BEHIND_MS;
}

/** Renews the lease while nothing is committed; a commit renews it too. */
function keepLease<T>(
  { store, clock }: Pick<ProjectionDeps<T>, 'store' | 'clock'>,
  lease: Lease,
  signal: AbortSignal,
  lost: (error: Error) => void,
) {
  let busy = false;
  const loop = async () => {
    while (!signal.aborted) {
      await clock.sleep(lease.ttlMs / 4, signal);
      if (signal.aborted || busy) continue;
      // A store that is away decides nothing: the next commit finds out.
      const kept = await store.renew(lease).catch(() => true);
      if (!kept) lost(new Fenced(lease));
    }
  };
  return {
    done: loop(),
    busy(is: boolean) {
      busy = is;
    },
  };
}
