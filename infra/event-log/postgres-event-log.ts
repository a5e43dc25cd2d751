/** The event log in PostgreSQL. */
import type { Clock } from '../../commands/clock.ts';
import { type Epoch, type EventId, type Position, type Slice, START } from '../../schemas/envelope.ts';
import { isTransient } from '../postgres/errors.ts';
import { listen } from '../postgres/listen.ts';
import { migrate, migrationsIn } from '../postgres/migrations.ts';
import type { Pool, Prepared } from '../postgres/pool.ts';
import { appendBatches } from './append-batches.ts';
import type { PlatformLog } from './platform-log.ts';
import {
  isPosition,
  positionOf,
  RECORDED_COLUMNS,
  RECORDED_WIDTH,
  recordedOf,
  sequenceOf,
} from './recorded-row.ts';
import { streamReads } from './stream-reads.ts';
import { subscription, type Wake } from './subscription.ts';
import { validateAppend } from './validate-append.ts';

/** A slice ends early rather than be larger, in bytes of data and metadata. */
const MAX_SLICE_BYTES = 16 * 1024 * 1024;

export interface PostgresEventLogOptions {
  /** Of the primary. The log does not close it. */
  readonly pool: Pool;
  readonly clock: Clock;
  readonly onLostConnection?: (error: Error) => void;
}

const readAfter: Prepared = {
  name: 'log_read_after',
  text: `SELECT ${RECORDED_COLUMNS}, (SELECT max(position) FROM plinth_log.events)::text AS head
           FROM (SELECT *, sum(octet_length(data) + octet_length(metadata)) OVER (ORDER BY position) AS bytes
                   FROM (SELECT * FROM plinth_log.events WHERE position > $1 ORDER BY position LIMIT $2) page) sized
          WHERE bytes - octet_length(data) - octet_length(metadata) < ${MAX_SLICE_BYTES}
          ORDER BY position`,
};
const readNewest: Prepared = {
  name: 'log_read_newest',
  text: `SELECT ${RECORDED_COLUMNS} FROM plinth_log.events ORDER BY position DESC LIMIT $1`,
};
const readHead: Prepared = {
  name: 'log_head',
  text: `SELECT epoch, (SELECT max(position) FROM plinth_log.events)::text AS position,
                pg_is_in_recovery() AS follower
           FROM plinth_log.log`,
};
const readIdAt: Prepared = {
  name: 'log_id_at',
  text: 'SELECT id FROM plinth_log.events WHERE position = $1',
};

/** Makes the log's tables where they are missing. */
export async function openPostgresEventLog(options: PostgresEventLogOptions): Promise<PlatformLog> {
  const { pool, clock } = options;
  await checkDurability(pool);
  await migrate(pool, 'plinth_log', await migrationsIn(new URL('./migrations/', import.meta.url)));

  const closed = new AbortController();
  const wakes = new Set<Wake>();
  const wakeAll: Wake = (through) => {
    for (const wake of wakes) wake(through);
  };
  let listening: Promise<void> | null = null;
  const appends = appendBatches(pool, wakeAll);
  const reads = streamReads(pool);

  function onWake(wake: Wake, signal: AbortSignal): void {
    wakes.add(wake);
    signal.addEventListener('abort', () => wakes.delete(wake), { once: true });
    listening ??= listen({
      connectionString: pool.connectionString,
      applicationName: pool.applicationName,
      channel: 'plinth_log',
      clock,
      signal: closed.signal,
      hint: (payload) => wakeAll(payload === '' ? null : positionOf(payload)),
      ...(options.onLostConnection && { onLostConnection: options.onLostConnection }),
    });
  }

  async function readAll(after: Position, limit: number): Promise<Slice> {
    const rows = await pool.rows(readAfter, [sequenceOf(after), limit]);
    const events = rows.map((row) => recordedOf(row));
    const last = events.at(-1);
    const head = rows.at(-1)?.[RECORDED_WIDTH] as string | undefined;
    return {
      events,
      through: last?.position ?? after,
      live: last === undefined || head === undefined || last.position >= positionOf(head),
    };
  }

  return {
    append(stream, expected, events) {
      return new Promise((resolve, reject) => {
        const bytes = validateAppend(stream, events);
        if (closed.signal.aborted) throw new Error('the log is closed');
        appends.add({ stream, expected, events, bytes, resolve, reject });
      });
    },
    readStream(stream, { after = 0, through = Number.MAX_SAFE_INTEGER } = {}) {
      return new Promise((resolve, reject) => {
        reads.add({ stream, after, through, resolve, reject });
      });
    },
    readAll,
    subscribe(after, { batchEvents, signal }) {
      return subscription({
        clock,
        after,
        batchEvents,
        signal: AbortSignal.any([signal, closed.signal]),
        readAll,
        onWake,
        isTransient,
      });
    },
    async head() {
      const [row] = await pool.query<{ epoch: Epoch; position: string | null; follower: boolean }>(readHead);
      if (!row) throw new Error('the log has no epoch: plinth_log.log is empty');
      if (row.follower)
        throw new Error('the log is read from a follower: DATABASE_URL must name the primary');
      return { epoch: row.epoch, position: row.position === null ? START : positionOf(row.position) };
    },
    async eventIdAt(position) {
      // A log that was copied from another engine is asked for positions of that engine.
      if (!isPosition(position)) return null;
      const [row] = await pool.query<{ id: EventId }>(readIdAt, [sequenceOf(position)]);
      return row?.id ?? null;
    },
    async mintEpoch() {
      const [row] = await pool.query<{ epoch: Epoch }>(
        'UPDATE plinth_log.log SET epoch = gen_random_uuid() RETURNING epoch',
      );
      return row!.epoch;
    },
    async newest(count) {
      const rows = await pool.rows(readNewest, [count]);
      return rows.map((row) => recordedOf(row)).reverse();
    },
    waitingAppends: () => appends.waiting(),
    async close() {
      closed.abort();
      await listening;
    },
  };
}

/** An acknowledged append must outlive a crash. */
async function checkDurability(pool: Pool): Promise<void> {
  const rows = await pool.query<{ name: string; setting: string }>(
    "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off'",
  );
  if (rows.length > 0) {
    throw new Error(
      `PostgreSQL runs with ${rows.map((row) => `${row.name} = off`).join(' and ')}: acknowledged events could be lost in a crash; turn it on.`,
    );
  }
}
