/** How PostgreSQL would find the keys that a query asks for. */
import assert from 'node:assert/strict';
import type { Pool } from '../../infra/postgres/pool.ts';
import type { Tx } from '../../projections/projection.ts';

/** Runs the query, and fails unless an index leads every statement that it sends to the keys. */
export async function findsKeysByIndex(pool: Pool, query: (tx: Tx) => Promise<unknown>): Promise<void> {
  const lines: string[] = [];
  await query({
    async query(sql, params) {
      const plan = await pool.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${sql}`, params);
      lines.push(...plan.map((row) => row['QUERY PLAN']));
      return pool.query(sql, params);
    },
  });
  const plans = lines.join('\n');
  assert.doesNotMatch(plans, /Seq Scan on keys/);
  assert.match(plans, /keys_.*idx|keys_pkey/);
}
