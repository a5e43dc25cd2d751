import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { usageStream } from '../../commands/streams.ts';
import type { TenantId } from '../../schemas/envelope.ts';
import { eventMaker, type ReadModel, readModel, suitePool, TENANT } from '../../test/support/read-model.ts';
import { MAX_PAGE_ITEMS } from '../page.ts';
import type { Tx } from '../projection.ts';
import { recentDecisions, usageSeries } from './queries.ts';
import { usageProjection } from './usage-projection.ts';
import { HOUR_MS, KEPT_DECISIONS, MINUTE_MS } from './usage-tables.ts';

const START_MS = Date.parse('2026-05-04T00:00:00Z');
const MINUTES = 180;
const KEYS = 100;
const tenant = TENANT as TenantId;
const idOf = (n: number) => `key_${String(n).padStart(12, '0')}`;
const at = (ms: number) => new Date(ms).toISOString();

describe('queries over the usage of many keys', () => {
  const pool = suitePool();
  let model: ReadModel;

  before(async () => {
    model = await readModel(pool(), usageProjection);
    const make = eventMaker();
    const keys = Array.from({ length: KEYS }, (_, n) => idOf(n));
    // In parts, so that what one batch keeps of a key comes on top of what the one before kept.
    for (let from = 0; from < MINUTES; from += 60) {
      const minutes = Array.from({ length: 60 }, (_, n) => from + n);
      const events = minutes.map((n) => {
        const minuteMs = START_MS + n * MINUTE_MS;
        const seen = { route: 'verify', code: 'DISABLED' as const };
        return make({
          stream: usageStream(TENANT, at(minuteMs).slice(0, 10), 'w'),
          type: 'usage.recorded',
          data: {
            writer: 'w',
            minute: at(minuteMs),
            counts: keys.map((keyId) => ({ ...seen, keyId, count: 2, lastAt: at(minuteMs) })),
            decisions: keys.flatMap((keyId) =>
              [0, 1].map((ms) => ({ ...seen, keyId, at: at(minuteMs + ms), traceId: null })),
            ),
            decisionsDropped: 0,
          },
        });
      });
      await model.apply(events);
    }
    for (const table of ['minutes', 'hours', 'decisions']) {
      await pool().query(`ANALYZE ${model.tables(table)}`);
    }
  });

  /** Its answer, and the plan of every statement that it sent. */
  const planned = async <T>(query: (tx: Tx) => Promise<T>): Promise<{ answer: T; plan: string }> => {
    const lines: string[] = [];
    const answer = await query({
      async query(sql, params) {
        const plan = await pool().query<{ 'QUERY PLAN': string }>(`EXPLAIN ${sql}`, params);
        lines.push(...plan.map((row) => row['QUERY PLAN']));
        return pool().query(sql, params);
      },
    });
    return { answer, plan: lines.join('\n') };
  };

  it('reads the whole tenant from sums of its own, never key by key', async () => {
    const range = { fromMs: START_MS, toMs: START_MS + MINUTES * MINUTE_MS, interval: 'minute' } as const;
    const { answer, plan } = await planned((tx) => usageSeries(tx, model.tables, tenant, null, range));
    assert.equal(answer.length, MINUTES);
    assert.ok(answer.every((point) => point.counts.DISABLED === 2 * KEYS));
    assert.doesNotMatch(plan, /Seq Scan/);
  });

  it('cuts a range at hours, and rounds its start down', async () => {
    const fromMs = START_MS + HOUR_MS + 1;
    const toMs = START_MS + 2 * HOUR_MS;
    const hours = (end: number) =>
      usageSeries(pool(), model.tables, tenant, idOf(7), { fromMs, toMs: end, interval: 'hour' });
    assert.deepEqual(await hours(toMs), [{ atMs: START_MS + HOUR_MS, counts: { DISABLED: 120 } }]);
    assert.equal((await hours(toMs + 1)).length, 2);
  });

  it('keeps no more decisions of a key than it says, and answers the newest by index', async () => {
    const decisions = await pool().query<{ count: number }>(
      `SELECT count(*) AS count FROM ${model.tables('decisions')} GROUP BY key_id`,
    );
    assert.equal(decisions.length, KEYS);
    assert.ok(decisions.every((row) => Number(row.count) === KEPT_DECISIONS));
    const { answer, plan } = await planned((tx) =>
      recentDecisions(tx, model.tables, tenant, idOf(42), { limit: 10, after: null }),
    );
    assert.equal(answer.items[0]!.atMs, START_MS + (MINUTES - 1) * MINUTE_MS + 1);
    assert.doesNotMatch(plan, /Seq Scan/);
  });

  it('ends a page between two decisions of one event, and goes on with the other', async () => {
    const page = (limit: number, after: Parameters<typeof recentDecisions>[4]['after']) =>
      recentDecisions(pool(), model.tables, tenant, idOf(1), { limit, after });
    const first = await page(1, null);
    const second = await page(1, first.next);
    assert.equal(first.items[0]!.position, second.items[0]!.position);
    assert.deepEqual([first.items[0]!.atMs % MINUTE_MS, second.items[0]!.atMs % MINUTE_MS], [1, 0]);
    assert.equal((await page(10_000, null)).items.length, MAX_PAGE_ITEMS);
  });
});
