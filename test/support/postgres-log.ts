/** A log in a fresh Postgres database, closed after the test. */
import type { PlatformLog } from '../../infra/event-log/platform-log.ts';
import { openPostgresEventLog } from '../../infra/event-log/postgres-event-log.ts';
import { createPool, type Pool } from '../../infra/postgres/pool.ts';
import { systemClock } from '../../infra/system-clock.ts';
import { type Cleanup, testDatabase } from './postgres.ts';

export interface TestLog {
  readonly log: PlatformLog;
  readonly pool: Pool;
  readonly url: string;
}

export async function openTestLog(t: Cleanup): Promise<TestLog> {
  return openPostgresLogAt(t, await testDatabase(t));
}

/** As another process would open the same log. */
export async function openPostgresLogAt(t: Cleanup, url: string): Promise<TestLog> {
  const pool = createPool({ connectionString: url, applicationName: 'plinth test' });
  const log = await openPostgresEventLog({ pool, clock: systemClock });
  t.after(async () => {
    await log.close();
    await pool.close();
  });
  return { log, pool, url };
}
