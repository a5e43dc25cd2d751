/** Writing events that another log has recorded already, in its total order: what a copy is made with. */
import type { EventLog } from '../../commands/event-log.ts';
import { MAX_APPEND_BYTES, MAX_APPEND_EVENTS, type Position, type Recorded } from '../../schemas/envelope.ts';
import type { Pool } from '../postgres/pool.ts';
import { insertEvents, sequenceOf } from './recorded-row.ts';
import { eventBytes } from './validate-append.ts';

export interface LogWriter {
  /**
   * Writes the events behind `after`, which must be the log's end, in their order and with their versions;
   * positions are the log's own. Throws where somebody else has written meanwhile. After any throw a part
   * of them may stand in the log: compare before going on.
   */
  write(after: Position, events: readonly Recorded[]): Promise<void>;
}

/** Somebody else writes to the log that is being filled. */
export class LogInUse extends Error {
  override readonly name = 'LogInUse';
  constructor() {
    super(
      'The log that is copied to has other writers: stop whatever runs on it, then begin anew with an empty one.',
    );
  }
}

/** Into Postgres: each call is one transaction, under the lock that every append takes. */
export function postgresLogWriter(pool: Pool): LogWriter {
  return {
    async write(after, events) {
      await pool.transaction(async (tx) => {
        await tx.query('SELECT pg_advisory_xact_lock(7401, 1)');
        const [head] = await tx.query<{ position: string | null }>(
          'SELECT max(position)::text AS position FROM plinth_log.events',
        );
        if ((head?.position ?? '0') !== sequenceOf(after)) throw new LogInUse();
        const [run] = await tx.query<{ first: string }>(
          `SELECT setval('plinth_log.positions', nextval('plinth_log.positions') + $1 - 1)
                  - $1 + 1 AS first`,
          [events.length],
        );
        const first = BigInt(run!.first);
        await insertEvents(tx, events, (index) => String(first + BigInt(index)));
        await tx.query("SELECT pg_notify('plinth_log', '')");
      });
    },
  };
}

/**
 * Into any log, append by append: consecutive events of a stream go together, and each append waits for the
 * one before it, for nothing else keeps the total order.
 */
export function appendingLogWriter(log: Pick<EventLog, 'append' | 'head'>): LogWriter {
  return {
    async write(after, events) {
      if ((await log.head()).position !== after) throw new LogInUse();
      for (const run of runs(events)) {
        const { stream, version } = run[0]!;
        const answer = await log.append(stream, version - 1, run);
        if (!answer.ok || answer.version !== version + run.length - 1) throw new LogInUse();
      }
    },
  };
}

/** Consecutive events of one stream, within the limits of an append. */
function* runs(events: readonly Recorded[]): Generator<readonly Recorded[]> {
  let run: Recorded[] = [];
  let bytes = 0;
  for (const event of events) {
    const size = eventBytes(event);
    const fits =
      run[0]?.stream === event.stream && run.length < MAX_APPEND_EVENTS && bytes + size <= MAX_APPEND_BYTES;
    if (!fits) {
      if (run.length > 0) yield run;
      run = [];
      bytes = 0;
    }
    run.push(event);
    bytes += size;
  }
  if (run.length > 0) yield run;
}
