/** The event log in EventStoreDB. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../../commands/clock.ts';
import { type Appended, type Conflict, type Expected, InvalidAppend } from '../../../commands/event-log.ts';
import {
  type Epoch,
  type EventId,
  type NewEvent,
  type Position,
  type Recorded,
  type Slice,
  START,
  type StreamId,
} from '../../../schemas/envelope.ts';
import type { Secret } from '../../../schemas/secret.ts';
import { within } from '../../within.ts';
import type { PlatformLog } from '../platform-log.ts';
import { subscription } from '../subscription.ts';
import { validateAppend } from '../validate-append.ts';
import { type AppendAnswer, appendCall, rawEvent } from './append-call.ts';
import { connectEventStore, EventStoreUnavailable } from './client.ts';
import { decodeBody } from './event-body.ts';
import { allPositionOf, LAST_PART, positionOf } from './positions.ts';
import { type RawPage, type RawRecord, type ReadFrom, type ReadOptions, readCall } from './read-call.ts';
import { wakes } from './wakes.ts';

/** The type of the event that begins an epoch: with the dollar it is a system event to every reader. */
const EPOCH_TYPE = '$plinth-epoch';
const EPOCH_STREAM = 'plinth_log';

const APPEND_TIMEOUT_MS = 5_000;
const READ_TIMEOUT_MS = 10_000;
/** What a call may take beyond the server's own deadline, when the server does not even say that. */
const GRACE_MS = 500;
/** Appends that the server works on at one time; more wait their turn. */
const MAX_APPENDS_IN_FLIGHT = 128;
const MAX_WAITING_APPENDS = 10_000;
const PAGE_EVENTS = 500;
const MAX_PAGE_BYTES = 16 * 1024 * 1024;
/** A page backwards, in search of the last event that is no system event. */
const HEAD_PAGE_EVENTS = 64;

export interface EventStoreEventLogOptions {
  /** `esdb://…`; TLS, credentials and the members of a cluster are in it. */
  readonly url: Secret<string>;
  readonly clock: Clock;
  readonly onLostConnection?: (error: Error) => void;
  readonly appendTimeoutMs?: number;
  readonly readTimeoutMs?: number;
}

/** Connects, and begins the first epoch where there is none. */
export async function openEventStoreEventLog(options: EventStoreEventLogOptions): Promise<PlatformLog> {
  const { url, clock, onLostConnection = () => {} } = options;
  const appendTimeoutMs = options.appendTimeoutMs ?? APPEND_TIMEOUT_MS;
  const readTimeoutMs = options.readTimeoutMs ?? READ_TIMEOUT_MS;
  const connection = connectEventStore(url);
  const closed = new AbortController();
  const awake = wakes(connection, clock, onLostConnection);

  const read = (where: ReadFrom, page: Omit<ReadOptions, 'deadlineMs'>): Promise<RawPage> => {
    if (closed.signal.aborted) return Promise.reject(new EventStoreUnavailable('the log is closed'));
    const reading = readCall(connection, where, { ...page, deadlineMs: readTimeoutMs });
    return within(clock, readTimeoutMs + GRACE_MS, 'a read of the event log', reading);
  };
  const append = (
    stream: string,
    expected: Expected,
    events: Parameters<typeof appendCall>[4],
  ): Promise<AppendAnswer> => {
    if (closed.signal.aborted) return Promise.reject(new EventStoreUnavailable('the log is closed'));
    const appending = appendCall(connection, appendTimeoutMs, stream, expected, events);
    return within(clock, appendTimeoutMs + GRACE_MS, 'an append to the event log', appending);
  };

  async function lastOf(stream: string): Promise<RawRecord | null> {
    const { records } = await read({ stream, from: 'end' }, { count: 1, backwards: true });
    return records[0] ?? null;
  }

  const epoch = {
    async read(): Promise<Epoch | null> {
      return ((await lastOf(EPOCH_STREAM))?.id as Epoch | undefined) ?? null;
    },
    async begin(expected: Expected): Promise<Epoch | null> {
      const id = randomUUID();
      const event = { id, type: EPOCH_TYPE, body: Buffer.from('{}') };
      return (await append(EPOCH_STREAM, expected, [event])).ok ? (id as Epoch) : null;
    },
  };

  /** The furthest event of ours that any look at the end has met. */
  let lastKnown: { readonly epoch: Epoch; readonly position: Position } | null = null;

  async function lastPosition(current: Epoch): Promise<Position> {
    const known = lastKnown?.epoch === current ? lastKnown.position : START;
    let from: ReadFrom = { all: 'end' };
    for (;;) {
      const { records } = await read(from, { count: HEAD_PAGE_EVENTS, backwards: true });
      const own = records.find(isOurs);
      const last = records.at(-1);
      const reached = last ? placeOf(last) : START;
      if (own || reached <= known || !last?.position) {
        // Only system events lie behind what is known, or that is gone: a look at it tells.
        const position = own ? placeOf(own) : known;
        if (!own && known !== START && (await eventIdAt(known)) === null) {
          lastKnown = null;
          return lastPosition(current);
        }
        lastKnown = { epoch: current, position };
        return position;
      }
      from = { all: last.position };
    }
  }

  async function eventIdAt(position: Position): Promise<EventId | null> {
    const at = allPositionOf(position);
    if (at === null || at.commit > LAST_PART || at.prepare > LAST_PART) return null;
    const { records } = await read({ all: at }, { count: 1 });
    const [record] = records;
    return record && isOurs(record) && placeOf(record) === position ? (record.id as EventId) : null;
  }

  async function readStream(
    stream: StreamId,
    { after = 0, through = Number.MAX_SAFE_INTEGER }: { after?: number; through?: number } = {},
  ): Promise<readonly Recorded[]> {
    const events: Recorded[] = [];
    // A read that a server ends early looks like one that reached the end of the stream: the stream's last
    // event tells them apart.
    let end = lastOf(stream);
    end.catch(() => {});
    for (let next = BigInt(after); ; ) {
      const { records } = await read(
        { stream, from: next },
        { count: PAGE_EVENTS, maxBytes: MAX_PAGE_BYTES },
      );
      for (const record of records) {
        if (record.revision >= BigInt(through)) return events;
        events.push(recordedOf(record));
      }
      const last = records.at(-1);
      if (last) next = last.revision + 1n;
      const final = await end;
      if (final === null || next > final.revision || next >= BigInt(through)) return events;
      end = lastOf(stream);
      end.catch(() => {});
    }
  }

  /** Up to `reached`, nothing but system events lies behind `after`: they are not read again and again. */
  let idle: { readonly after: Position; readonly reached: Position } | null = null;

  async function readAll(after: Position, limit: number): Promise<Slice> {
    const at = allPositionOf(after);
    if (at && (at.commit > LAST_PART || at.prepare > LAST_PART)) {
      return { events: [], through: after, live: true };
    }
    const events: Recorded[] = [];
    let reached = idle?.after === after ? idle.reached : after;
    let from: ReadFrom = { all: allPositionOf(reached) ?? 'start' };
    let bytes = 0;
    for (;;) {
      // Where the log ends now: a page that a server ends early does not come as far.
      const ending = read({ all: 'end' }, { count: 1, backwards: true });
      ending.catch(() => {});
      // From a position on, itself included: one more.
      const count = Math.min(PAGE_EVENTS, limit - events.length) + 1;
      const page = await read(from, { count, maxBytes: MAX_PAGE_BYTES });
      for (const record of page.records) {
        if (placeOf(record) <= reached) continue;
        reached = placeOf(record);
        if (!isOurs(record)) continue;
        bytes += record.body.length;
        events.push(recordedOf(record));
        if (events.length === limit) break;
      }
      const end = (await ending).records[0];
      // A failover lost what lay behind: positions are handed out again.
      if (end !== undefined && reached > placeOf(end) && reached > after && events.length === 0) {
        idle = null;
        return readAll(after, limit);
      }
      const live = end === undefined || reached >= placeOf(end);
      if (live || events.length === limit || bytes >= MAX_PAGE_BYTES) {
        if (events.length === 0 && reached > after) idle = { after, reached };
        return { events, through: events.at(-1)?.position ?? after, live };
      }
      const next = allPositionOf(reached);
      if (next) from = { all: next };
    }
  }

  let inFlight = 0;
  const turns: (() => void)[] = [];
  async function inTurn<R>(work: () => Promise<R>): Promise<R> {
    if (inFlight >= MAX_APPENDS_IN_FLIGHT) {
      if (turns.length >= MAX_WAITING_APPENDS) {
        throw new EventStoreUnavailable(`${MAX_WAITING_APPENDS} appends wait already`);
      }
      await new Promise<void>((resolve) => turns.push(resolve));
    }
    inFlight += 1;
    try {
      return await work();
    } finally {
      inFlight -= 1;
      turns.shift()?.();
    }
  }

  /** What stands where these events would: answers the original, if it is they. */
  async function original(
    stream: StreamId,
    first: number,
    events: readonly NewEvent[],
  ): Promise<Appended | null> {
    const there = await readStream(stream, { after: first, through: first + events.length });
    const same = there.length === events.length && there.every((one, index) => one.id === events[index]!.id);
    return same ? { ok: true, version: there.at(-1)!.version, position: there.at(-1)!.position } : null;
  }

  async function appendEvents(
    stream: StreamId,
    expected: Expected,
    events: readonly NewEvent[],
  ): Promise<Appended | Conflict> {
    const answer = await append(stream, expected, events.map(rawEvent));
    if (answer.ok) {
      const version = Number(answer.revision) + 1;
      if (answer.position) {
        const { commit, prepare } = answer.position;
        return { ok: true, version, position: positionOf(commit, prepare) };
      }
      const found = await original(stream, version - events.length, events);
      if (found) return found;
      throw new EventStoreUnavailable(`${stream}@${version} was appended before and cannot be read`);
    }
    const actual = answer.current === null ? 0 : Number(answer.current) + 1;
    const found = expected === 'any' ? null : await original(stream, expected, events);
    if (found) return found;
    const ids = new Set<string>(events.map(({ id }) => id));
    const used = (await readStream(stream)).find(({ id }) => ids.has(id));
    if (used) {
      throw new InvalidAppend('duplicate_id', `${stream}: the event id ${used.id} is in the stream already`);
    }
    return { ok: false, actual };
  }

  let current = await epoch.read();
  current ??= (await epoch.begin(0)) ?? (await epoch.read());
  if (current === null) throw new Error('the event log has no epoch: its stream plinth_log cannot be read');

  return {
    append: (stream, expected, events) =>
      Promise.resolve().then(() => {
        validateAppend(stream, events);
        return inTurn(() => appendEvents(stream, expected, events));
      }),
    readStream,
    readAll,
    subscribe: (after, { batchEvents, signal }) =>
      subscription({
        clock,
        after,
        batchEvents,
        signal: AbortSignal.any([signal, closed.signal]),
        readAll,
        onWake: awake.on,
        isTransient: (error) => error instanceof EventStoreUnavailable || isLate(error),
      }),
    async head() {
      const now = await epoch.read();
      if (now === null) throw new Error('the event log has lost its epoch');
      return { epoch: now, position: await lastPosition(now) };
    },
    eventIdAt,
    async mintEpoch() {
      return (await epoch.begin('any'))!;
    },
    async newest(count) {
      const found: Recorded[] = [];
      for (let from: ReadFrom = { all: 'end' }; found.length < count; ) {
        const { records } = await read(from, { count: PAGE_EVENTS, backwards: true });
        found.push(...records.filter(isOurs).map(recordedOf));
        const last = records.at(-1);
        if (!last?.position) break;
        from = { all: last.position };
      }
      return found.slice(0, count).reverse();
    },
    waitingAppends: () => inFlight + turns.length,
    async close() {
      closed.abort();
      await awake.close();
      await connection.close();
    },
  };
}

function isLate(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('no answer within');
}

function isOurs({ type }: RawRecord): boolean {
  return !type.startsWith('$');
}

/** Throws rather than make one up. */
function placeOf({ position, stream, revision }: RawRecord): Position {
  if (position) return positionOf(position.commit, position.prepare);
  throw new Error(`the server does not say where ${stream}@${revision} lies: it must be 22.10 or later`);
}

function recordedOf(record: RawRecord): Recorded {
  const where = `${record.stream}@${record.revision}`;
  return {
    id: record.id as EventId,
    type: record.type,
    stream: record.stream as StreamId,
    version: Number(record.revision) + 1,
    position: placeOf(record),
    ...decodeBody(record.body, where),
  };
}
