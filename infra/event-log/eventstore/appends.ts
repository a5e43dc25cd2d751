/** Appends: pipelined, bounded, and safe to send again. */
import type { Clock } from '../../../commands/clock.ts';
import { type Appended, type Conflict, type Expected, InvalidAppend } from '../../../commands/event-log.ts';
import type { NewEvent, Recorded, StreamId } from '../../../schemas/envelope.ts';
import { type AppendAnswer, type RawEvent, rawEvent } from './append-call.ts';
import { EventStoreUnavailable } from './client.ts';
import { positionOf } from './positions.ts';

/** Appends that the server works on at one time; more wait their turn. */
const MAX_APPENDS_IN_FLIGHT = 128;
const MAX_WAITING_APPENDS = 10_000;

export interface AppendDeps {
  readonly clock: Clock;
  /** How long an append waits for its turn: a server that hangs holds up nobody for longer. */
  readonly turnTimeoutMs: number;
  /** One call, with its deadline. */
  append(stream: StreamId, expected: Expected, events: readonly RawEvent[]): Promise<AppendAnswer>;
  readStream(stream: StreamId, range: { after: number; through: number }): Promise<readonly Recorded[]>;
}

export interface Appends {
  /** Of what was validated. Rejects where the outcome is unknown, and for an id that is used already. */
  append(stream: StreamId, expected: Expected, events: readonly NewEvent[]): Promise<Appended | Conflict>;
  waiting(): number;
}

export function appends({ clock, turnTimeoutMs, append, readStream }: AppendDeps): Appends {
  let inFlight = 0;
  /** In the order in which they came. */
  const turns = new Set<() => void>();

  /** Resolves with the place of one that has ended. */
  function turn(): Promise<void> {
    return new Promise((resolve, reject) => {
      const come = new AbortController();
      const take = () => {
        come.abort();
        resolve();
      };
      turns.add(take);
      void clock.sleep(turnTimeoutMs, come.signal).then(() => {
        if (!turns.delete(take)) return;
        reject(
          new EventStoreUnavailable(`an append had no turn within ${turnTimeoutMs} ms, and was not sent`),
        );
      });
    });
  }

  async function inTurn<R>(work: () => Promise<R>): Promise<R> {
    if (inFlight < MAX_APPENDS_IN_FLIGHT) inFlight += 1;
    else if (turns.size < MAX_WAITING_APPENDS) await turn();
    else throw new EventStoreUnavailable(`${MAX_WAITING_APPENDS} appends wait already`);
    try {
      return await work();
    } finally {
      const [next] = turns;
      if (next === undefined) inFlight -= 1;
      else {
        turns.delete(next);
        next();
      }
    }
  }

  async function appendEvents(
    stream: StreamId,
    expected: Expected,
    events: readonly NewEvent[],
  ): Promise<Appended | Conflict> {
    const answer = await append(stream, expected, events.map(rawEvent));
    /** What stands where these events would. */
    const standing = (after: number) => readStream(stream, { after, through: after + events.length });
    const isOriginal = (there: readonly Recorded[]) =>
      there.length === events.length && there.every((one, index) => one.id === events[index]!.id);
    if (answer.ok) {
      const version = Number(answer.revision) + 1;
      if (answer.position) {
        const { commit, prepare } = answer.position;
        return { ok: true, version, position: positionOf(commit, prepare) };
      }
      // It was there already, and the server does not say where.
      const there = await standing(version - events.length);
      if (isOriginal(there)) return { ok: true, version, position: there.at(-1)!.position };
      throw new EventStoreUnavailable(`${stream}@${version} was appended before and cannot be read`);
    }
    const used = () =>
      new InvalidAppend('duplicate_id', `${stream}: an event id is used in the stream already`);
    // To any version a server objects only where it knows the first events and not the rest.
    if (expected === 'any') throw used();
    const actual = answer.current === null ? 0 : Number(answer.current) + 1;
    if (actual <= expected) return { ok: false, actual };
    const there = await standing(expected);
    if (isOriginal(there))
      return { ok: true, version: there.at(-1)!.version, position: there.at(-1)!.position };
    const ids = new Set<string>(events.map(({ id }) => id));
    if (there.some(({ id }) => ids.has(id))) throw used();
    return { ok: false, actual };
  }

  return {
    append: (stream, expected, events) => inTurn(() => appendEvents(stream, expected, events)),
    waiting: () => inFlight + turns.size,
  };
}
