/** States folded from the log's leader: what verify rests on when the read model is too far behind. */
import type { Clock } from '../../commands/clock.ts';
import { type Codec, NewerSchemaVersion, UndecodableEvent, UnknownEventType } from '../../commands/codec.ts';
import type { Decider, Fact } from '../../commands/decider.ts';
import type { EventLog } from '../../commands/event-log.ts';
import { isFresh } from '../../projections/fresh.ts';
import { withDeadline } from '../../projections/single-flight.ts';
import { type EventId, type Position, START, type StreamId } from '../../schemas/envelope.ts';

/** Streams read from the leader at one time; more are refused, for the log has writers to serve. */
export const MAX_FOLDS_IN_FLIGHT = 64;
const MAX_FOLDS_KEPT = 10_000;
const FOLD_DEADLINE_MS = 2_000;

export interface Folded<S> {
  /** Null: an event of the stream cannot be read, so nothing is known of what came after it. */
  readonly state: S | null;
  /** The state lacks nothing up to here. */
  readonly reached: Position;
  /** When the read started: what was in the log by then is in the state. */
  readonly startedMs: number;
}

/** The log cannot be asked now: it is away, too slow, too busy, or ahead of this release. */
export class FoldUnavailable extends Error {
  override readonly name = 'FoldUnavailable';
}

export interface StreamFoldsDeps {
  readonly log: Pick<EventLog, 'readStream'>;
  readonly codec: Codec;
  readonly clock: Clock;
  /** The head of the log as far as it is known when a read starts: the read covers it. */
  readonly knownHead: () => Position;
  /**
   * Rejects unless the log, asked after the read, is still the one that is trusted: in one that was
   * replaced a stream that is gone looks like one that never was.
   */
  readonly confirm: (
    last: { readonly position: Position; readonly eventId: EventId } | null,
  ) => Promise<void>;
}

interface Kept {
  readonly startedMs: number;
  readonly head: Position;
  readonly folded: Promise<Folded<unknown>>;
}

export class StreamFolds {
  readonly #deps: StreamFoldsDeps;
  /** By stream, oldest start first. A failed fold is not kept. */
  readonly #kept = new Map<StreamId, Kept>();
  #inFlight = 0;

  constructor(deps: StreamFoldsDeps) {
    this.#deps = deps;
  }

  /**
   * Single-flight per stream, and kept for 5 s from the start of the read.
   *
   * @param atLeast what is kept is not used when it began before this position was known
   */
  fold<S, E>(
    decider: Pick<Decider<S, never, E>, 'initial' | 'evolve'>,
    stream: StreamId,
    atLeast: Position,
  ): Promise<Folded<S>> {
    const startedMs = this.#deps.clock.now();
    const head = this.#deps.knownHead();
    const kept = this.#kept.get(stream);
    if (kept && isFresh(kept.startedMs, startedMs) && kept.head >= atLeast) {
      return kept.folded as Promise<Folded<S>>;
    }
    if (this.#inFlight >= MAX_FOLDS_IN_FLIGHT) {
      return Promise.reject(new FoldUnavailable(`${MAX_FOLDS_IN_FLIGHT} streams are being read`));
    }
    const folded = this.#read(decider, stream, startedMs, head);
    this.#keep(stream, { startedMs, head, folded });
    folded.catch(() => {
      if (this.#kept.get(stream)?.folded === folded) this.#kept.delete(stream);
    });
    return folded;
  }

  /** Forgets what it keeps: the history was replaced. */
  drop(): void {
    this.#kept.clear();
  }

  async #read<S, E>(
    decider: Pick<Decider<S, never, E>, 'initial' | 'evolve'>,
    stream: StreamId,
    startedMs: number,
    head: Position,
  ): Promise<Folded<S>> {
    this.#inFlight++;
    const read = this.#deps.log.readStream(stream);
    // Counted until the log answers, also when nobody waits any more.
    const settle = () => {
      this.#inFlight--;
    };
    read.then(settle, settle);
    try {
      const events = await withDeadline(this.#deps.clock, FOLD_DEADLINE_MS, read);
      const end = events.at(-1);
      await this.#deps.confirm(end ? { position: end.position, eventId: end.id } : null);
      let state = decider.initial;
      for (const event of events) {
        state = decider.evolve(state, this.#deps.codec.decodePublic(event) as unknown as Fact<E>);
      }
      const last = end?.position ?? START;
      return { state, reached: last > head ? last : head, startedMs };
    } catch (error) {
      if (error instanceof UnknownEventType || error instanceof NewerSchemaVersion) {
        throw new FoldUnavailable('the stream was written by a newer release', { cause: error });
      }
      if (error instanceof UndecodableEvent) return { state: null, reached: head, startedMs };
      throw new FoldUnavailable('the log could not be read', { cause: error });
    }
  }

  #keep(stream: StreamId, kept: Kept): void {
    this.#kept.delete(stream);
    this.#kept.set(stream, kept);
    for (const [oldest, { startedMs }] of this.#kept) {
      if (isFresh(startedMs, kept.startedMs) && this.#kept.size <= MAX_FOLDS_KEPT) return;
      this.#kept.delete(oldest);
    }
  }
}
