/** Which relay works, in Postgres: one row for each set of topics. */
import { RELAY_LEASE_MS, type RelayLease } from '../../workers/relay-lease.ts';
import { migrate } from './migrations.ts';
import type { Pool } from './pool.ts';

const SEIZE = `
  INSERT INTO plinth_relay.lease AS l (topics, holder, until)
  VALUES ($1, $2, clock_timestamp() + $3 * interval '1 ms')
  ON CONFLICT (topics) DO UPDATE SET holder = $2, until = clock_timestamp() + $3 * interval '1 ms'`;
const HOLD = `${SEIZE}
  WHERE l.holder = $2 OR l.until < clock_timestamp()
  RETURNING holder`;

/** Who works for these topics now, or null. */
export async function relayLeaseHolder(pool: Pool, topics: string): Promise<string | null> {
  // A database that no relay has used yet.
  const [table] = await pool.query<{ oid: string | null }>(
    `SELECT to_regclass('plinth_relay.lease')::text AS oid`,
  );
  if (!table?.oid) return null;
  const [row] = await pool.query<{ holder: string }>(
    'SELECT holder FROM plinth_relay.lease WHERE topics = $1 AND until >= clock_timestamp()',
    [topics],
  );
  return row?.holder ?? null;
}

/** `topics`: the prefix of their names. `holder`: unique to one life of one process. */
export async function postgresRelayLease(pool: Pool, topics: string, holder: string): Promise<RelayLease> {
  await migrate(pool, 'plinth_relay', [
    {
      name: '001-lease',
      sql: `CREATE TABLE plinth_relay.lease (
        topics text PRIMARY KEY, holder text NOT NULL, until timestamptz NOT NULL)`,
    },
  ]);
  return {
    async hold() {
      return (await pool.query(HOLD, [topics, holder, RELAY_LEASE_MS])).length > 0;
    },
    async seize() {
      await pool.query(SEIZE, [topics, holder, RELAY_LEASE_MS]);
    },
    async release() {
      await pool.query('DELETE FROM plinth_relay.lease WHERE topics = $1 AND holder = $2', [topics, holder]);
    },
  };
}
