/** The event log in EventStoreDB. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../../commands/clock.ts';
import type { Expected } from '../../../commands/event-log.ts';
import type { Epoch } from '../../../schemas/envelope.ts';
import { PlinthError } from '../../../schemas/errors.ts';
import type { Secret } from '../../../schemas/secret.ts';
import { NoAnswer, within } from '../../within.ts';
import type { PlatformLog } from '../platform-log.ts';
import { subscription } from '../subscription.ts';
import { validateAppend } from '../validate-append.ts';
import { allReads } from './all-reads.ts';
import { type AppendAnswer, appendCall, type RawEvent } from './append-call.ts';
import { appends } from './appends.ts';
import { connectEventStore, EventStoreUnavailable } from './client.ts';
import { logEnd } from './log-end.ts';
import { endedEarly, type Read, readCall } from './read-call.ts';
import { readStream } from './stream-reads.ts';
import { wakes } from './wakes.ts';

/** The type of the event that begins an epoch: with the dollar it is a system event to every reader. */
const EPOCH_TYPE = '$plinth-epoch';
const EPOCH_STREAM = 'plinth_log';

const EPOCH_LOST =
  'The log was replaced: it has lost its epoch, and what it held. Bring its events back, then run `plinth log restored`.';

const APPEND_TIMEOUT_MS = 5_000;
const READ_TIMEOUT_MS = 10_000;
/** What a call may take beyond the server's own deadline, when the server does not even say that. */
const GRACE_MS = 500;

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

  const read: Read = (where, page) => {
    const reading = readCall(connection, where, { ...page, deadlineMs: readTimeoutMs });
    return within(clock, readTimeoutMs + GRACE_MS, 'EventStoreDB, a read of the event log', reading);
  };
  const append = (stream: string, expected: Expected, events: readonly RawEvent[]): Promise<AppendAnswer> => {
    const appending = appendCall(connection, appendTimeoutMs, stream, expected, events);
    return within(clock, appendTimeoutMs + GRACE_MS, 'EventStoreDB, an append to the event log', appending);
  };

  const epoch = {
    async read(): Promise<Epoch | null> {
      const page = await read({ stream: EPOCH_STREAM, from: 'end' }, { count: 1, backwards: true });
      if (page.missing) return null;
      if (page.records.length === 0) throw endedEarly(EPOCH_STREAM);
      return page.records[0]!.id as Epoch;
    },
    async begin(expected: Expected): Promise<Epoch | null> {
      const id = randomUUID();
      const event = { id, type: EPOCH_TYPE, body: Buffer.from('{}') };
      return (await append(EPOCH_STREAM, expected, [event])).ok ? (id as Epoch) : null;
    },
  };
  const end = logEnd(read);
  const readAll = allReads(read, end.last);
  const appending = appends({
    clock,
    turnTimeoutMs: appendTimeoutMs,
    append,
    readStream: (stream, range) => readStream(read, stream, range),
  });

  async function close(): Promise<void> {
    closed.abort();
    connection.close();
    await awake.close();
  }

  try {
    const current = (await epoch.read()) ?? (await epoch.begin(0)) ?? (await epoch.read());
    if (current === null) throw new Error('the event log has no epoch: its stream plinth_log cannot be read');
  } catch (error) {
    await close();
    throw error;
  }

  return {
    append: (stream, expected, events) =>
      Promise.resolve().then(() => {
        validateAppend(stream, events);
        return appending.append(stream, expected, events);
      }),
    readStream: (stream, range) => readStream(read, stream, range),
    readAll,
    subscribe: (after, { batchEvents, signal }) =>
      subscription({
        clock,
        after,
        batchEvents,
        signal: AbortSignal.any([signal, closed.signal]),
        readAll,
        onWake: awake.on,
        isTransient: (error) => error instanceof EventStoreUnavailable || error instanceof NoAnswer,
      }),
    async head() {
      const position = end.position();
      // Of a log that holds nothing at all the end cannot be read: that it has no epoch is what tells.
      position.catch(() => {});
      const now = await epoch.read();
      if (now === null) throw new PlinthError('log_epoch_changed', EPOCH_LOST);
      return { epoch: now, position: await position };
    },
    eventIdAt: end.eventIdAt,
    async mintEpoch() {
      return (await epoch.begin('any'))!;
    },
    newest: end.newest,
    waitingAppends: appending.waiting,
    close,
  };
}
