/**
 * The relay: carries the log to Kafka, every event once and in order, whatever happens to it. Where it
 * stands is written in the transaction that carries the events; a relay that starts, or that does not know
 * what became of its last transaction, fences whoever was before it and reads where to go on.
 */
import type { Clock } from '../commands/clock.ts';
import type { EventLog } from '../commands/event-log.ts';
import { eventMismatch, historyMismatch } from '../projections/history-check.ts';
import { readAhead } from '../projections/read-ahead.ts';
import type { Bookmark, Position, Recorded, Slice } from '../schemas/envelope.ts';
import { topicDomainOf } from '../schemas/topics.ts';
import { keepLease } from './keep-lease.ts';
import { BATCH_EVENTS, isSmall, relayBatch, runsOf } from './relay-batch.ts';
import { replaced, resumeFrom, unknownStream } from './relay-footing.ts';
import type { RelayLease } from './relay-lease.ts';
import type { RelayRecord, RelayTopics } from './relay-topics.ts';

/** Between the commit of one round of watermarks and the next: with the commit itself, less than 50 ms. */
export const WATERMARK_EVERY_MS = 35;
/** The log's epoch and end are compared at least this often. */
const HISTORY_CHECK_MS = 1_000;
const STANDBY_POLL_MS = 250;
/**
 * A halt waits for an operator, and every look is a take-over: a transaction, and a record more in the position
 * topic, which is read from end to end. It is not for who begins a generation: that seizes the lease, and relays
 * stand by meanwhile.
 */
const HALTED_POLL_MS = 5_000;
const MIN_RETRY_MS = 50;
const MAX_RETRY_MS = 5_000;

export interface RelayDeps {
  readonly log: Pick<EventLog, 'subscribe' | 'head' | 'eventIdAt'>;
  readonly topics: RelayTopics;
  readonly lease: Omit<RelayLease, 'seize'>;
  readonly clock: Clock;
}

export type RelayState =
  | 'starting'
  /** Another relay works. */
  | 'standby'
  | 'catching_up'
  | 'live'
  /** Something is away; tried again with growing pauses. */
  | 'retrying'
  /** Waits for an operator or an upgrade: nothing is skipped. */
  | 'halted'
  | 'stopped';

export interface RelayHealth {
  readonly state: RelayState;
  /** What it waits for, or null. */
  readonly problem: string | null;
  readonly generation: number | null;
  readonly position: Position | null;
  /** Age of the oldest event that was read and is not relayed, in seconds; 0 when live, null when not known. */
  readonly lagSeconds: number | null;
  /** Since it started. */
  readonly events: number;
  readonly transactions: number;
}

export interface RelayOptions {
  readonly signal: AbortSignal;
  /** Of each topic, in a generation that this relay begins because there is none. */
  readonly partitions: number;
  readonly batchEvents?: number;
  /** Told of every change of state. */
  changed?(health: RelayHealth): void;
  /** Told when no topic held anything although the log does: it carries all of it into a generation that it began. */
  began?(generation: number): void;
  /** What is told of an error that may pass. */
  problemOf?(error: unknown): string;
}

export interface Relay {
  /** Until the signal aborts; then the batch under way is committed, with its watermarks. Never rejects. */
  run(): Promise<void>;
  health(): RelayHealth;
}

export function relay(deps: RelayDeps, options: RelayOptions): Relay {
  const { lease, clock } = deps;
  const { signal } = options;
  let state: RelayState = 'starting';
  let problem: string | null = null;
  let record: RelayRecord | null = null;
  let pendingMs: number | null = null;
  let [events, transactions] = [0, 0];
  let retryMs = MIN_RETRY_MS;

  const health = (): RelayHealth => ({
    state,
    problem,
    generation: record?.generation ?? null,
    position: record?.bookmark.position ?? null,
    lagSeconds:
      pendingMs !== null ? Math.max(0, clock.now() - pendingMs) / 1000 : state === 'live' ? 0 : null,
    events,
    transactions,
  });
  const become = (next: RelayState, why: string | null = null) => {
    if (state === next && problem === why) return;
    state = next;
    problem = why;
    options.changed?.(health());
  };
  const progress: Progress = {
    read(timeMs) {
      pendingMs = timeMs;
    },
    committed(now, written) {
      record = now;
      events += written;
      transactions += 1;
    },
    caughtUp(now, live) {
      record = now;
      retryMs = MIN_RETRY_MS;
      if (live) pendingMs = null;
      become(live ? 'live' : 'catching_up');
    },
  };

  /** As long as the lease is ours and nothing goes wrong. */
  const session = async (): Promise<void> => {
    const stop = new AbortController();
    const renewing = keepLease(deps, AbortSignal.any([signal, stop.signal]), () => stop.abort());
    try {
      await follow(deps, options, AbortSignal.any([signal, stop.signal]), progress);
    } finally {
      stop.abort();
      await renewing;
    }
  };

  return {
    health,
    async run() {
      while (!signal.aborted) {
        try {
          // A lease that cannot be asked for is no reason to stand still: fencing keeps two from writing.
          if (!(await lease.hold().catch(() => state !== 'standby'))) {
            pendingMs = null;
            become('standby');
            await clock.sleep(STANDBY_POLL_MS, signal);
            continue;
          }
          await session();
          if (!signal.aborted) become('standby');
        } catch (error) {
          const { name, message } = error as Error;
          if (name === 'RelayFenced') {
            become('standby');
            await clock.sleep(STANDBY_POLL_MS, signal);
          } else if (name === 'RelayHalted') {
            become('halted', message);
            await clock.sleep(HALTED_POLL_MS, signal);
          } else {
            become('retrying', options.problemOf?.(error) ?? `${name}: ${message}`);
            await clock.sleep(retryMs, signal);
            retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
          }
        }
      }
      await lease.release().catch(() => {});
      become('stopped');
    },
  };
}

interface Progress {
  read(timeMs: number): void;
  /** A transaction with so many events. */
  committed(record: RelayRecord, events: number): void;
  /** A slice was dealt with; `live`: nothing lay behind it. */
  caughtUp(record: RelayRecord, live: boolean): void;
}

/** Takes over, and carries batch after batch until the signal aborts. Throws for all else. */
async function follow(
  deps: RelayDeps,
  options: RelayOptions,
  signal: AbortSignal,
  progress: Progress,
): Promise<void> {
  const { log, topics, clock } = deps;
  const footing = await topics.takeOver();
  const stands = await resumeFrom(log, footing, options.partitions);
  let { record } = stands;
  if (signal.aborted) return;
  let watermarkedMs = clock.now();
  let checkedMs = clock.now();
  /** A partition lags, and nothing may come that would bring it a watermark. */
  let owed = relayBatch(record, [], false).lagging;
  /** Read, and to go with the next watermarks: under a steady stream a transaction each would cost most. */
  let held: readonly Recorded[] = [];

  const isDue = () => clock.now() - watermarkedMs >= WATERMARK_EVERY_MS;
  const commit = async (events: readonly Recorded[], due = isDue()): Promise<void> => {
    const batch = relayBatch(record, events, due);
    await topics.commit(batch.records, batch.record);
    record = batch.record;
    owed = batch.lagging;
    if (due) watermarkedMs = clock.now();
    progress.committed(record, events.length);
  };
  const commitHeld = async (): Promise<void> => {
    for (const run of runsOf(held)) await commit(run);
    held = [];
  };
  const carry = async (slice: Slice): Promise<void> => {
    if (slice.events.length > 0 && held.length === 0) progress.read(slice.events[0]!.timeMs);
    // After the slice was read: one of another history can follow ours only where our event is gone.
    const checkHead = clock.now() - checkedMs >= HISTORY_CHECK_MS;
    if (checkHead) checkedMs = clock.now();
    const look = checkHead ? historyMismatch : eventMismatch;
    const mismatch = await look(log, bookmarkBehind(record, held));
    if (mismatch !== null) throw replaced(mismatch);
    const unknown = slice.events.findIndex((event) => topicDomainOf(event.stream) === null);
    const known = unknown < 0 ? slice.events : slice.events.slice(0, unknown);
    held = [...held, ...known];
    const waits = slice.live && unknown < 0 && held.length > 0 && isSmall(held) && !isDue();
    if (waits) return;
    await commitHeld();
    if (unknown >= 0) throw unknownStream(slice.events[unknown]!);
    progress.caughtUp(record, slice.live);
  };

  // Makes the topics, and tells consumers which generation stands.
  if (footing.record === null) await topics.commit([], record);
  if (stands.behindLog) options.began?.(record.generation);
  const reading = new AbortController();
  const stop = AbortSignal.any([signal, reading.signal]);
  const batchEvents = options.batchEvents ?? BATCH_EVENTS;
  const source = log.subscribe(record.bookmark.position, { batchEvents, signal: stop });
  const slices = readAhead(generatorOf(source), 1, () => reading.abort());
  try {
    let next = slices.next();
    for (;;) {
      const pause = new AbortController();
      const wake = owed || held.length > 0 ? watermarkDue(clock, watermarkedMs, pause.signal) : null;
      const item = await (wake ? Promise.race([next, wake]) : next);
      pause.abort();
      if (item === null) {
        if (held.length === 0) await commit([]);
        else {
          await commitHeld();
          progress.caughtUp(record, true);
        }
        continue;
      }
      if (item.done) break;
      await carry(item.value);
      if (signal.aborted) break;
      next = slices.next();
    }
    await commitHeld();
    // Consumers need not wait for the next relay to learn how far this one came.
    if (owed) await commit([], true);
  } finally {
    reading.abort();
    await slices.return(undefined);
  }
}

/** Where the relay is once the events are carried, too. */
function bookmarkBehind({ bookmark }: RelayRecord, held: readonly Recorded[]): Bookmark {
  const last = held.at(-1);
  return last ? { epoch: bookmark.epoch, position: last.position, eventId: last.id } : bookmark;
}

async function watermarkDue(clock: Clock, watermarkedMs: number, signal: AbortSignal): Promise<null> {
  await clock.sleep(Math.max(0, watermarkedMs + WATERMARK_EVERY_MS - clock.now()), signal);
  return null;
}

async function* generatorOf<A>(source: AsyncIterable<A>): AsyncGenerator<A> {
  yield* source;
}
