/**
 * The runner of one projection: takes the lease (or stands by), works through sessions, and outlives
 * what goes wrong in them.
 */
import type { Position } from '../schemas/envelope.ts';
import type { Generation } from '../schemas/topics.ts';
import { FED_ELSEWHERE, fedElsewhere } from './fed-elsewhere.ts';
import type { Feed } from './feed.ts';
import { type FeedSessionOptions, runFeedSession } from './feed-session.ts';
import { describe } from './parking.ts';
import type { PreparedBatch } from './prepared-batches.ts';
import { feedDomains } from './projection.ts';
import { relayStands } from './relay-standing.ts';
import { type Progress, type ProjectionDeps, runSession } from './session.ts';
import type { Acquired, Lease } from './store.ts';

/** A holder that says nothing for this long has lost the lease. With the poll below: over in ≤ 2 s. */
export const LEASE_MS = 1500;
/** How often a standby asks for the lease. */
export const STANDBY_POLL_MS = 250;
const HALTED_POLL_MS = 1000;
/** How often a runner without a feed looks whether others still feed it. */
const FED_POLL_MS = 1000;
/** How long a runner waits for an upgrade, or for newer code to go, before it tries again. */
const PAUSE_MS = 5000;
const MIN_RETRY_MS = 50;
const MAX_RETRY_MS = 5000;
export const BATCH_EVENTS = 1000;

/** A membership that ended in a gap sooner than this may do so again. */
const FED_WELL_MS = 60_000;
const MIN_HOLD_OFF_MS = 500;
const MAX_HOLD_OFF_MS = 30_000;

export interface RunnerDeps<T> extends ProjectionDeps<T> {
  /** Null: there is none, and what others feed is left to them as long as they do. */
  readonly feed: Feed | null;
}

export type RunnerState =
  | 'starting'
  /** Another runner is active. */
  | 'standby'
  | 'catching_up'
  | 'live'
  /** Something is away; tried again with growing pauses. */
  | 'retrying'
  /** Waits for an upgrade: an event is newer than this code, or newer code owns the projection. */
  | 'paused'
  /** Waits for an operator: the log was replaced. */
  | 'halted'
  | 'stopped';

export interface RunnerHealth {
  readonly projection: string;
  readonly state: RunnerState;
  /** What it waits for, or null. */
  readonly problem: string | null;
  /** Where the relay stands, when it is that which it waits for. */
  readonly relayStandsAt: Position | null;
  /** Of the topics that feed it; null: it follows the log, or has not been looked at yet. */
  readonly feed: Generation | null;
  readonly revision: number | null;
  readonly position: string | null;
  /** Age of the oldest event not applied, in seconds; 0 when caught up; null when this runner cannot know. */
  readonly lagSeconds: number | null;
  readonly parkedStreams: number | null;
  /** Events advanced over by this runner since it started. */
  readonly events: number;
  /** Who advances it; null when nobody does, or many do, each some of the partitions. */
  readonly holder: string | null;
  /** Fed by Kafka: how many partitions are this runner's; null: it follows the log. */
  readonly partitions: number | null;
}

export interface RunnerOptions {
  /** Names this runner in the lease; unique to one life of one process. */
  readonly holder: string;
  readonly batchEvents?: number;
  /** Told of every change of state, for the log. */
  changed?(health: RunnerHealth): void;
  /** What is told of an error that may pass. */
  problemOf?(error: unknown): string;
}

export interface ProjectionRunner {
  /** Until the signal aborts; then finishes the batch, commits and releases the lease. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
  health(): RunnerHealth;
}

export function projectionRunner<T>(deps: RunnerDeps<T>, options: RunnerOptions): ProjectionRunner {
  const { projection, store, log, clock, feed } = deps;
  const domains = feedDomains(projection);
  const isForsaken = fedElsewhere(deps);
  let state: RunnerState = 'starting';
  let problem: string | null = null;
  let progress: Progress | null = null;
  let holder: string | null = null;
  let eventsBefore = 0;
  /** Time of the first event that was read and is not committed. */
  let pendingMs: number | null = null;
  let retryMs = MIN_RETRY_MS;
  let fedBy: Generation | null = null;
  let relayStandsAt: Position | null = null;
  let partitions: number | null = null;
  /** It is, or was last, one of those that Kafka feeds. */
  let member = false;
  let holdOffMs = MIN_HOLD_OFF_MS;
  let joinNotBeforeMs = Number.NEGATIVE_INFINITY;

  const health = (): RunnerHealth => ({
    projection: projection.name,
    state,
    problem,
    relayStandsAt,
    feed: fedBy,
    revision: progress?.revision ?? null,
    position: progress?.bookmark.position ?? null,
    lagSeconds: lagSeconds(),
    parkedStreams: progress?.parkedStreams ?? null,
    events: eventsBefore + (progress?.events ?? 0),
    holder,
    partitions,
  });
  const lagSeconds = (): number | null => {
    if (pendingMs !== null) return Math.max(0, clock.now() - pendingMs) / 1000;
    return state === 'live' ? 0 : null;
  };
  const become = (next: RunnerState, why: string | null = null) => {
    if (state === next && problem === why) return;
    state = next;
    problem = why;
    options.changed?.(health());
  };

  const read = (batch: PreparedBatch) => {
    pendingMs = batch.firstTimeMs;
  };
  const committed = (now: Progress): boolean => {
    progress = now;
    retryMs = MIN_RETRY_MS;
    // Behind the head, the time of the batch just committed stands in until the next is read.
    if (now.live) pendingMs = null;
    become(now.live ? 'live' : 'catching_up');
    return false;
  };

  /** One try: as long as the session lasts. Answers how long to wait before the next. */
  const attempt = async (
    revision: number,
    signal: AbortSignal,
  ): Promise<{ waitMs: number; reopen: boolean }> => {
    const acquired = await store.acquire(projection.name, revision, options.holder, LEASE_MS);
    if (acquired.kind === 'fed') fedBy = acquired.generation;
    else if (acquired.kind === 'held' || acquired.kind === 'busy') fedBy = null;
    if (acquired.kind === 'busy') {
      holder = acquired.holder;
      pendingMs = null;
      become('standby');
      return { waitMs: STANDBY_POLL_MS, reopen: false };
    }
    if (acquired.kind === 'halted') {
      holder = null;
      become('halted', acquired.reason);
      return { waitMs: HALTED_POLL_MS, reopen: true };
    }
    if (acquired.kind === 'retired') return { waitMs: 0, reopen: true };
    if (acquired.kind === 'fed') {
      holder = null;
      if (domains && feed) await beFed(acquired, { feed, domains, signal });
      else if (!domains || (await isForsaken(acquired))) await store.leave(acquired);
      else {
        pendingMs = null;
        become('standby', FED_ELSEWHERE);
        return { waitMs: FED_POLL_MS, reopen: false };
      }
      return { waitMs: 0, reopen: true };
    }
    holder = options.holder;
    member = false;
    const { bookmark, parked, lease } = acquired;
    progress = {
      revision,
      state: acquired.state,
      bookmark,
      live: false,
      events: 0,
      parkedStreams: parked.length,
    };
    try {
      await runSession(deps, acquired, {
        batchEvents: options.batchEvents ?? BATCH_EVENTS,
        signal,
        read,
        committed,
        ...(feed && domains && { joining: { feed, domains, notBeforeMs: joinNotBeforeMs } }),
      });
    } finally {
      eventsBefore += progress.events;
      progress = { ...progress, events: 0 };
      holder = null;
      await release(lease);
    }
    return { waitMs: 0, reopen: true };
  };
  /** As long as the membership lasts. */
  const beFed = async (
    fed: Extract<Acquired, { kind: 'fed' }>,
    by: Omit<FeedSessionOptions, 'progress'>,
  ): Promise<void> => {
    member = true;
    const startedMs = clock.now();
    try {
      const how = await runFeedSession(deps, fed, {
        ...by,
        progress(now) {
          const { revision, state } = fed;
          progress = { ...now, revision, state };
          partitions = now.partitions;
          pendingMs = now.waitingSinceMs;
          ({ relayStandsAt } = now);
          become(
            now.live ? 'live' : 'catching_up',
            relayStandsAt === null ? null : relayStands(relayStandsAt),
          );
        },
      });
      if (clock.now() - startedMs >= FED_WELL_MS) holdOffMs = MIN_HOLD_OFF_MS;
      // Topics that lose records again and again: the log feeds it meanwhile.
      if (how === 'gap' || how === 'over') {
        joinNotBeforeMs = clock.now() + holdOffMs;
        holdOffMs = Math.min(holdOffMs * 2, MAX_HOLD_OFF_MS);
      }
    } finally {
      if (clock.now() - startedMs >= MAX_RETRY_MS) retryMs = MIN_RETRY_MS;
      partitions = null;
      relayStandsAt = null;
      eventsBefore += progress?.events ?? 0;
      progress = progress && { ...progress, events: 0 };
    }
  };
  const release = async (lease: Lease) => {
    // When the store is away the lease runs out by itself.
    await store.release(lease).catch(() => {});
  };

  return {
    health,
    async run(signal) {
      let revision: number | null = null;
      while (!signal.aborted) {
        try {
          revision ??= await store.open(projection, 'serve', (await log.head()).epoch);
          const { waitMs, reopen } = await attempt(revision, signal);
          if (reopen) revision = null;
          // A revision that is retired again and again must not spin.
          await clock.sleep(waitMs || MIN_RETRY_MS, signal);
        } catch (error) {
          revision = null;
          const name = (error as Error).name;
          if (name === 'Fenced' && !member) {
            become('standby');
            await clock.sleep(MIN_RETRY_MS, signal);
          } else if (name === 'Halted') {
            become('halted', (error as Error).message);
            await clock.sleep(HALTED_POLL_MS, signal);
          } else if (name === 'Paused' || name === 'Superseded' || name === 'TooManyParked') {
            become('paused', describe(error));
            await clock.sleep(PAUSE_MS, signal);
          } else {
            become('retrying', options.problemOf?.(error) ?? describe(error));
            await clock.sleep(retryMs, signal);
            retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
          }
        }
      }
      holder = null;
      become('stopped');
    },
  };
}
