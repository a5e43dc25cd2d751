/** A log by its connection string alone: what `plinth log copy` and `plinth log verify` work on. */
import type { Clock } from '../../commands/clock.ts';
import type { Secret } from '../../schemas/secret.ts';
import { createPool } from '../postgres/pool.ts';
import { openEventStoreEventLog } from './eventstore/eventstore-event-log.ts';
import { appendingLogWriter, type LogWriter, postgresLogWriter } from './log-writer.ts';
import type { PlatformLog } from './platform-log.ts';
import { openPostgresEventLog } from './postgres-event-log.ts';

export interface OpenedLog {
  readonly log: PlatformLog;
  readonly writer: LogWriter;
  close(): Promise<void>;
}

/** Makes the log's tables or its epoch where they are missing. Throws for a string of no engine. */
export async function openLog(url: Secret<string>, clock: Clock): Promise<OpenedLog> {
  if (!url.reveal().startsWith('postgres')) {
    const log = await openEventStoreEventLog({ url, clock });
    return { log, writer: appendingLogWriter(log), close: () => log.close() };
  }
  const pool = createPool({
    connectionString: url.reveal(),
    applicationName: 'plinth log',
    maxConnections: 4,
  });
  try {
    const log = await openPostgresEventLog({ pool, clock });
    return {
      log,
      writer: postgresLogWriter(pool),
      async close() {
        await log.close();
        await pool.close();
      },
    };
  } catch (error) {
    await pool.close();
    throw error;
  }
}
