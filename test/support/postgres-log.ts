/** A log in a fresh Postgres database, closed after the test. */
import { openPostgresEventLog, type PostgresEventLog } from '../../infra/event-log/postgres-event-log.ts';
import { createPool, type Pool } from '../../infra/postgres/pool.ts';
import { systemClock } from '../../infra/system-clock.ts';
import { type Cleanup, testDatabase } from './postgres.ts';

export async function openTestLog(
  t: Cleanup,
): Promise<{ readonly log: PostgresEventLog; readonly pool: Pool; readonly url: string }> {
  const url = await testDatabase(t);
  const pool = createPool({ connectionString: url, applicationName: 'plinth test' });
  const log = await openPostgresEventLog({ pool, clock: systemClock });
  t.after(async () => {
    await log.close();
    await pool.close();
  });
  return { log, pool, url };
}
