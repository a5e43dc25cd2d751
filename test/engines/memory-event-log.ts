/**
 * The event log in memory: obeys the port, and can fail in the ways a real one can. For tests and the
 * simulation; nothing in it is durable.
 */
import type { Clock } from '../../commands/clock.ts';
import type { Appended, Conflict, EventLog, Expected } from '../../commands/event-log.ts';
import { InvalidAppend } from '../../commands/event-log.ts';
import { validateAppend } from '../../infra/event-log/validate-append.ts';
import {
  type Epoch,
  type EventId,
  type NewEvent,
  type Position,
  type Recorded,
  type Slice,
  START,
  type StreamId,
} from '../../schemas/envelope.ts';

/** Longest silence of a subscription, ms. */
const SILENCE_MS = 1_000;

export interface MemoryEventLogOptions {
  readonly clock: Clock;
  /**
   * Awaited at the start of every operation (`log.append`) and just before each answer, after the effect
   * (`log.append.answer`): a scheduler interleaves here. When it rejects at an answer, the reply is lost.
   */
  readonly turn?: (label: string) => Promise<void>;
  /** False: no append wakes a subscription, it finds events by its poll alone. */
  readonly wakes?: boolean;
}

export interface MemoryEventLog extends EventLog {
  /** Everything in the log, without a turn. */
  readonly events: readonly Recorded[];
  /** A failover to a copy that had not got the last `n` events: the next ones get the same positions. */
  truncateTail(n: number): void;
  /** What `plinth log restored` does: the history that follows is another one. */
  newEpoch(): Epoch;
  /** The next `n` appends take effect and their replies are lost. */
  loseReplies(n: number): void;
  /** The next `n` calls of any kind fail before they do anything. */
  failCalls(n: number): void;
}

export function memoryEventLog(options: MemoryEventLogOptions): MemoryEventLog {
  const { clock } = options;
  const turn = options.turn ?? (() => Promise.resolve());
  const events: Recorded[] = [];
  const streams = new Map<StreamId, Recorded[]>();
  const byId = new Map<EventId, Recorded>();
  const waiting = new Set<() => void>();
  const closed = new AbortController();
  let epochs = 0;
  let epoch = nextEpoch();
  let repliesToLose = 0;
  let callsToFail = 0;

  function nextEpoch(): Epoch {
    epochs += 1;
    return `00000000-0000-4000-8000-${String(epochs).padStart(12, '0')}` as Epoch;
  }

  async function call<R>(label: string, effect: () => R): Promise<R> {
    await turn(`log.${label}`);
    if (closed.signal.aborted) throw new Error('the log is closed');
    if (callsToFail > 0) {
      callsToFail -= 1;
      throw new Error('the log could not be reached');
    }
    const answer = effect();
    await turn(`log.${label}.answer`);
    return answer;
  }

  function applyAppend(stream: StreamId, expected: Expected, news: readonly NewEvent[]): Appended | Conflict {
    const known = streams.get(stream) ?? [];
    const earlier = news.map((event) => byId.get(event.id));
    if (earlier.some((event) => event !== undefined)) {
      return original(stream, expected, earlier);
    }
    if (expected !== 'any' && expected !== known.length) return { ok: false, actual: known.length };
    for (const event of news) {
      const recorded: Recorded = {
        ...event,
        nonce: event.nonce.slice(),
        data: event.data.slice(),
        metadata: event.metadata.slice(),
        stream,
        version: known.length + 1,
        position: positionOf(events.length + 1),
      };
      known.push(recorded);
      events.push(recorded);
      byId.set(recorded.id, recorded);
    }
    streams.set(stream, known);
    const wakes = options.wakes === false ? [] : [...waiting];
    for (const wake of wakes) wake();
    return { ok: true, version: known.length, position: known.at(-1)!.position };
  }

  function original(
    stream: StreamId,
    expected: Expected,
    earlier: readonly (Recorded | undefined)[],
  ): Appended {
    const before = expected === 'any' ? (earlier[0]?.version ?? 0) - 1 : expected;
    const last = earlier.at(-1);
    const same = earlier.every((event, i) => event?.stream === stream && event.version === before + i + 1);
    if (!same || last === undefined) {
      throw new InvalidAppend('duplicate_id', `${stream}: an event id is already used in the log`);
    }
    return { ok: true, version: last.version, position: last.position };
  }

  function sliceAfter(after: Position, limit: number): Slice {
    // Positions count the events from 1, so the position is the index of what comes after it.
    const from = after === START ? 0 : Number(after);
    const found = events.slice(from, from + limit);
    return {
      events: found,
      through: found.at(-1)?.position ?? after,
      live: from + limit >= events.length,
    };
  }

  return {
    events,
    async append(stream, expected, news) {
      validateAppend(stream, news);
      const answer = await call('append', () => applyAppend(stream, expected, news));
      if (repliesToLose > 0) {
        repliesToLose -= 1;
        throw new Error('the reply was lost');
      }
      return answer;
    },
    readStream(stream, { after = 0, through = Number.MAX_SAFE_INTEGER } = {}) {
      return call('readStream', () => (streams.get(stream) ?? []).slice(after, Math.max(after, through)));
    },
    readAll(after, limit) {
      return call('readAll', () => sliceAfter(after, limit));
    },
    async *subscribe(after, { batchEvents, signal }) {
      let position = after;
      let woken = true;
      const wake = () => {
        woken = true;
        pause?.abort();
      };
      let pause: AbortController | null = null;
      const ended = AbortSignal.any([signal, closed.signal]);
      waiting.add(wake);
      try {
        while (!ended.aborted) {
          woken = false;
          const slice = await call('subscribe', () => sliceAfter(position, batchEvents)).catch(() => null);
          if (ended.aborted) return;
          if (slice && slice.events.length > 0) {
            position = slice.through;
            yield slice;
            continue;
          }
          if (slice && !woken) {
            pause = new AbortController();
            await clock.sleep(SILENCE_MS, AbortSignal.any([ended, pause.signal]));
            pause = null;
          }
          if (!woken && !ended.aborted) {
            if (slice) yield slice;
            else await clock.sleep(100, ended);
          }
        }
      } finally {
        waiting.delete(wake);
      }
    },
    head() {
      return call('head', () => ({ epoch, position: events.at(-1)?.position ?? START }));
    },
    eventIdAt(position) {
      return call('eventIdAt', () => {
        const event = events[Number(position) - 1];
        return event?.position === position ? event.id : null;
      });
    },
    async close() {
      closed.abort();
    },
    truncateTail(n) {
      for (const event of events.splice(Math.max(0, events.length - n))) {
        byId.delete(event.id);
        streams.get(event.stream)?.pop();
      }
    },
    newEpoch() {
      epoch = nextEpoch();
      return epoch;
    },
    loseReplies(n) {
      repliesToLose += n;
    },
    failCalls(n) {
      callsToFail += n;
    },
  };
}

function positionOf(sequence: number): Position {
  return String(sequence).padStart(20, '0') as Position;
}
