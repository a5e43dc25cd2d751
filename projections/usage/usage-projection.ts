/**
 * Usage: counts by key, code and route for each minute and hour, when a key was last used, and the latest
 * single decisions about it.
 *
 * Everything is a sum, a maximum or the highest of a kind, so that the order in which streams arrive does
 * not matter, and what is too old goes by the newest minute in the events, never by a clock. A process
 * whose clock runs far ahead makes the read model forget sooner; the events stay.
 */
import { type PublicUsageEvent, usageEvents } from '../../schemas/events/usage.ts';
import type { Projection, Tables, Tx } from '../projection.ts';
import { type CountRow, type DecisionRow, sumUsage } from './sum-usage.ts';
import { createUsageTables, floorsOf, KEPT_DECISIONS, usageTables } from './usage-tables.ts';

export const usageProjection: Projection = {
  name: 'usage',
  revision: 1,
  order: 'log',
  types: new Set(Object.keys(usageEvents)),
  tables: usageTables,
  reads: 'public',
  publishesChanges: false,
  create: createUsageTables,
  async apply(tx, tables, events) {
    const sums = sumUsage(events as PublicUsageEvent[]);
    const floors = await forget(tx, tables, sums.newestMs);
    await addCounts(
      tx,
      tables('minutes'),
      sums.minutes.filter((row) => row.at_ms >= floors.minutesMs),
    );
    await addCounts(
      tx,
      tables('hours'),
      sums.hours.filter((row) => row.at_ms >= floors.hoursMs),
    );
    await raise(tx, tables, sums.used);
    await keepDecisions(tx, tables, sums.decisions);
    await tx.query(
      `INSERT INTO ${tables('dropped')} AS t SELECT * FROM json_to_recordset($1::json)
         AS r (tenant text, decisions bigint)
       ON CONFLICT (tenant) DO UPDATE SET decisions = t.decisions + excluded.decisions`,
      [JSON.stringify(sums.dropped)],
    );
  },
};

/** Moves the newest minute on, and deletes what has become too old when that passed an hour or a day. */
async function forget(tx: Tx, tables: Tables, newestMs: number) {
  const [row] = await tx.query<{ at_ms: number }>(`SELECT at_ms FROM ${tables('newest')}`);
  const beforeMs = row ? Number(row.at_ms) : newestMs;
  if (row && newestMs <= beforeMs) return floorsOf(beforeMs);
  await tx.query(
    `INSERT INTO ${tables('newest')} VALUES ('minute', $1)
     ON CONFLICT (name) DO UPDATE SET at_ms = excluded.at_ms`,
    [newestMs],
  );
  const before = floorsOf(beforeMs);
  const floors = floorsOf(newestMs);
  if (floors.minutesMs > before.minutesMs) {
    await tx.query(`DELETE FROM ${tables('minutes')} WHERE at_ms < $1`, [floors.minutesMs]);
  }
  if (floors.hoursMs > before.hoursMs) {
    await tx.query(`DELETE FROM ${tables('hours')} WHERE at_ms < $1`, [floors.hoursMs]);
  }
  return floors;
}

async function addCounts(tx: Tx, table: string, rows: readonly CountRow[]): Promise<void> {
  if (rows.length === 0) return;
  await tx.query(
    `INSERT INTO ${table} AS t (tenant, key_id, at_ms, code, route, count)
     SELECT tenant, key_id, at_ms, code, route, count FROM json_to_recordset($1::json)
       AS r (tenant text, key_id text, at_ms bigint, code text, route text, count bigint)
     ON CONFLICT (tenant, key_id, at_ms, code, route) DO UPDATE SET count = t.count + excluded.count`,
    [JSON.stringify(rows)],
  );
}

async function raise(tx: Tx, tables: Tables, rows: readonly object[]): Promise<void> {
  if (rows.length === 0) return;
  await tx.query(
    `INSERT INTO ${tables('key_usage')} AS t (tenant, key_id, last_used_ms)
     SELECT tenant, key_id, last_used_ms FROM json_to_recordset($1::json)
       AS r (tenant text, key_id text, last_used_ms bigint)
     ON CONFLICT (tenant, key_id) DO UPDATE
       SET last_used_ms = greatest(t.last_used_ms, excluded.last_used_ms)`,
    [JSON.stringify(rows)],
  );
}

/** Adds them, and deletes of each of their keys all but the latest. */
async function keepDecisions(tx: Tx, tables: Tables, rows: readonly DecisionRow[]): Promise<void> {
  if (rows.length === 0) return;
  const decisions = tables('decisions');
  await tx.query(
    `INSERT INTO ${decisions} (tenant, key_id, position, number, at_ms, code, route, trace_id)
     SELECT tenant, key_id, position, number, at_ms, code, route, trace_id FROM json_to_recordset($1::json)
       AS r (tenant text, key_id text, position text, number integer, at_ms bigint, code text, route text,
         trace_id text)`,
    [JSON.stringify(rows)],
  );
  const keys = new Map(rows.map((row) => [`${row.tenant} ${row.key_id}`, row]));
  await tx.query(
    `DELETE FROM ${decisions} d
     USING unnest($1::text[], $2::text[]) AS k (tenant, key_id)
     CROSS JOIN LATERAL (
       SELECT l.position, l.number FROM ${decisions} l
       WHERE l.tenant = k.tenant AND l.key_id = k.key_id
       ORDER BY l.position DESC, l.number DESC OFFSET $3 LIMIT 1
     ) last
     WHERE d.tenant = k.tenant AND d.key_id = k.key_id
       AND (d.position, d.number) <= (last.position, last.number)`,
    [
      [...keys.values()].map((row) => row.tenant),
      [...keys.values()].map((row) => row.key_id),
      KEPT_DECISIONS,
    ],
  );
}
