import type { Tx } from '../../projections/projection.ts';
import { projectionStoreContract } from '../../test/contracts/projection-store.ts';
import { testDatabase } from '../../test/support/postgres.ts';
import { systemClock } from '../system-clock.ts';
import { postgresChangesSource } from './changes-source.ts';
import { createPool } from './pool.ts';
import { migrateProjections, postgresProjectionStore } from './projection-store.ts';

projectionStoreContract<Tx>('projections in PostgreSQL', {
  async open(t) {
    const connectionString = await testDatabase(t);
    const connect = () => {
      const pool = createPool({ connectionString, applicationName: 'plinth test', maxConnections: 6 });
      t.after(() => pool.close());
      return pool;
    };
    const pool = connect();
    await migrateProjections(pool);
    return {
      connect: () => postgresProjectionStore(connect(), { keptChangesRows: 10 }),
      changes: (projection) => postgresChangesSource(pool, projection, { clock: systemClock, maxRows: 5 }),
      async elapse(ms) {
        await pool.query(
          `UPDATE plinth.checkpoints SET lease_until = lease_until - $1 * interval '1 millisecond'`,
          [ms],
        );
      },
    };
  },
  async create(tx, tables) {
    await tx.query(`CREATE TABLE ${tables('things')} (key text PRIMARY KEY, row jsonb NOT NULL)`);
  },
  rows: (tx, tables) => ({
    async get(key) {
      const [found] = await tx.query<{ row: Record<string, unknown> }>(
        `SELECT row FROM ${tables('things')} WHERE key = $1`,
        [key],
      );
      return found?.row ?? null;
    },
    async put(key, row) {
      await tx.query(
        `INSERT INTO ${tables('things')} VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET row = excluded.row`,
        [key, row],
      );
    },
  }),
  decodeRow: ({ key, row }) => ({ key, ...JSON.parse(row as string) }),
});
