import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { usageStream } from '../../commands/streams.ts';
import type { Decoded, Position, TenantId } from '../../schemas/envelope.ts';
import type { UsageEvent } from '../../schemas/events/usage.ts';
import {
  eventMaker,
  OTHER_TENANT,
  type ReadModel,
  readModel,
  suitePool,
  TENANT,
} from '../../test/support/read-model.ts';
import {
  KEPT_DECISIONS,
  MAX_USAGE_POINTS,
  recentDecisions,
  type UsageInterval,
  usagePoints,
  usageSeries,
} from './queries.ts';
import { usageProjection } from './usage-projection.ts';
import { DAY_MS, HOUR_MS, KEPT_HOURS_DAYS, KEPT_MINUTES_HOURS, MINUTE_MS } from './usage-tables.ts';

const KEY = 'key_000000000001';
const OTHER_KEY = 'key_000000000002';
const START_MS = Date.parse('2026-05-04T10:15:00Z');
const tenant = TENANT as TenantId;

type Data = UsageEvent['data'];
type Count = Data['counts'][number];
type Decision = Data['decisions'][number];

const at = (ms: number) => new Date(ms).toISOString();
const count = (over: Partial<Count> = {}): Count => ({
  keyId: KEY,
  code: 'VALID',
  route: 'verify',
  count: 1,
  lastAt: at(START_MS),
  ...over,
});
const decision = (over: Partial<Decision> = {}): Decision => ({
  at: at(START_MS),
  keyId: KEY,
  code: 'REVOKED',
  route: 'verify',
  traceId: null,
  ...over,
});

/** Makes usage events, each of a minute, in log order. */
function recorder() {
  const make = eventMaker();
  return (minuteMs: number, data: Partial<Data>, of: string = TENANT, writer = 'w') =>
    make({
      stream: usageStream(of, at(minuteMs).slice(0, 10), writer),
      type: 'usage.recorded',
      tenant: of,
      data: { writer, minute: at(minuteMs), counts: [], decisions: [], decisionsDropped: 0, ...data },
    });
}

describe('the usage projection', () => {
  const pool = suitePool();
  let revision = 0;
  const fresh = (): Promise<ReadModel> => readModel(pool(), usageProjection, ++revision);
  const series = (
    model: ReadModel,
    interval: UsageInterval,
    {
      keyId = KEY as string | null,
      fromMs = START_MS - 10 * HOUR_MS,
      toMs = START_MS + 10 * HOUR_MS,
      route = undefined as string | undefined,
    } = {},
  ) => usageSeries(pool(), model.tables, tenant, keyId, { fromMs, toMs, interval }, route);

  it('adds up counts by minute, hour and day, by code', async () => {
    const model = await fresh();
    const recorded = recorder();
    await model.apply([
      recorded(START_MS, { counts: [count({ count: 2 }), count({ code: 'RATE_LIMITED' })] }),
      recorded(START_MS, { counts: [count({ count: 3 })] }, TENANT, 'another'),
    ]);
    await model.apply([
      recorded(START_MS + MINUTE_MS, { counts: [count({ route: 'batch' })] }),
      recorded(START_MS + HOUR_MS, { counts: [count()] }),
    ]);
    assert.deepEqual(await series(model, 'minute'), [
      { atMs: START_MS, counts: { VALID: 5, RATE_LIMITED: 1 } },
      { atMs: START_MS + MINUTE_MS, counts: { VALID: 1 } },
      { atMs: START_MS + HOUR_MS, counts: { VALID: 1 } },
    ]);
    const hourMs = Date.parse('2026-05-04T10:00:00Z');
    assert.deepEqual(await series(model, 'hour'), [
      { atMs: hourMs, counts: { VALID: 6, RATE_LIMITED: 1 } },
      { atMs: hourMs + HOUR_MS, counts: { VALID: 1 } },
    ]);
    assert.deepEqual(await series(model, 'day'), [
      { atMs: Date.parse('2026-05-04T00:00:00Z'), counts: { VALID: 7, RATE_LIMITED: 1 } },
    ]);
    assert.deepEqual(await series(model, 'hour', { route: 'batch' }), [
      { atMs: hourMs, counts: { VALID: 1 } },
    ]);
  });

  it('takes the start of a range in, rounded down, and its end out', async () => {
    const model = await fresh();
    const recorded = recorder();
    await model.apply([0, 1, 2].map((n) => recorded(START_MS + n * MINUTE_MS, { counts: [count()] })));
    const points = await series(model, 'minute', {
      fromMs: START_MS + 59_999,
      toMs: START_MS + 2 * MINUTE_MS,
    });
    assert.deepEqual(
      points.map((point) => point.atMs),
      [START_MS, START_MS + MINUTE_MS],
    );
  });

  it('sums the tenant over its keys, and keeps keys and tenants apart', async () => {
    const model = await fresh();
    const recorded = recorder();
    await model.apply([
      recorded(START_MS, { counts: [count(), count({ keyId: OTHER_KEY, count: 4 })] }),
      recorded(START_MS, { counts: [count({ count: 100 })] }, OTHER_TENANT),
    ]);
    assert.deepEqual(await series(model, 'minute'), [{ atMs: START_MS, counts: { VALID: 1 } }]);
    assert.deepEqual(await series(model, 'minute', { keyId: null }), [
      { atMs: START_MS, counts: { VALID: 5 } },
    ]);
  });

  it('remembers when a key was last used, whatever the order; a wrong secret is no use of it', async () => {
    const model = await fresh();
    const recorded = recorder();
    await model.apply([
      recorded(START_MS, { counts: [count({ lastAt: at(START_MS + 9) })] }),
      recorded(START_MS, { counts: [count({ lastAt: at(START_MS + 5) })] }),
    ]);
    await model.apply([
      recorded(START_MS, { counts: [count({ lastAt: at(START_MS + 3), code: 'EXPIRED' })] }),
      recorded(START_MS, { counts: [count({ lastAt: at(START_MS + 50), code: 'NOT_FOUND' })] }),
    ]);
    const { key_usage: used } = await model.rows();
    assert.deepEqual(used, [{ tenant: TENANT, key_id: KEY, last_used_ms: START_MS + 9 }]);
  });

  it('keeps the latest decisions of each key, and pages through them', async () => {
    const model = await fresh();
    const recorded = recorder();
    const total = KEPT_DECISIONS + 30;
    const events = Array.from({ length: total / 2 }, (_, n) =>
      recorded(START_MS, {
        decisions: [decision({ traceId: `${2 * n}` }), decision({ traceId: `${2 * n + 1}` })],
      }),
    );
    await model.apply(events.slice(0, 3));
    await model.apply([
      ...events.slice(3),
      recorded(START_MS, { decisions: [decision({ keyId: OTHER_KEY })] }),
    ]);
    const seen: string[] = [];
    let after: Position | null = null;
    for (let pages = 0; pages < 20; pages++) {
      const page = await recentDecisions(pool(), model.tables, tenant, KEY, { limit: 33, after });
      seen.push(...page.items.map((item) => item.traceId!));
      after = page.next;
      if (after === null) break;
    }
    assert.deepEqual(
      seen,
      Array.from({ length: KEPT_DECISIONS }, (_, n) => String(total - 1 - n)),
    );
    const { items } = await recentDecisions(pool(), model.tables, OTHER_TENANT as TenantId, KEY, {
      limit: 10,
      after: null,
    });
    assert.deepEqual(items, []);
  });

  it('counts the decisions that were dropped', async () => {
    const model = await fresh();
    const recorded = recorder();
    await model.apply([
      recorded(START_MS, { decisionsDropped: 3 }),
      recorded(START_MS, { decisionsDropped: 4 }),
    ]);
    await model.apply([recorded(START_MS, { decisionsDropped: 5 })]);
    assert.deepEqual((await model.rows()).dropped, [{ tenant: TENANT, decisions: 12 }]);
  });

  it('forgets minutes and hours that are too old by the newest minute seen', async () => {
    const model = await fresh();
    const recorded = recorder();
    await model.apply([recorded(START_MS, { counts: [count()] })]);
    const laterMs = START_MS + (KEPT_MINUTES_HOURS + 1) * HOUR_MS;
    await model.apply([recorded(laterMs, { counts: [count()] })]);
    assert.deepEqual(
      (await model.rows()).minutes!.map((row) => row.at_ms),
      [laterMs, laterMs],
    );
    assert.equal((await model.rows()).hours!.length, 4);
    const muchLaterMs = START_MS + (KEPT_HOURS_DAYS + 10) * DAY_MS;
    await model.apply([recorded(muchLaterMs, { counts: [count()] })]);
    assert.equal((await model.rows()).hours!.length, 2);
    // A writer that was away for long: counted nowhere, for what it tells is too old.
    await model.apply([recorded(START_MS, { counts: [count()] })]);
    assert.equal((await model.rows()).hours!.length, 2);
    assert.equal((await model.rows()).minutes!.length, 2);
  });

  it('keeps routes and trace ids that a text column would refuse', async () => {
    const model = await fresh();
    const recorded = recorder();
    await model.apply([
      recorded(START_MS, {
        counts: [count({ route: 'a\u0000b' })],
        decisions: [decision({ route: 'a\u0000', traceId: '\ud800' })],
      }),
    ]);
    assert.deepEqual(await series(model, 'minute', { route: 'a\u0000b' }), [
      { atMs: START_MS, counts: { VALID: 1 } },
    ]);
  });

  it('says how many points a range asks for, and refuses too many', async () => {
    const range = { fromMs: START_MS, toMs: START_MS + 2 * MINUTE_MS, interval: 'minute' as const };
    assert.equal(usagePoints(range), 2);
    assert.equal(usagePoints({ ...range, toMs: range.toMs + 1 }), 3);
    assert.equal(usagePoints({ ...range, interval: 'day' }), 1);
    assert.equal(usagePoints({ ...range, toMs: START_MS - DAY_MS }), 0);
    const model = await fresh();
    await assert.rejects(
      series(model, 'minute', { toMs: START_MS + MAX_USAGE_POINTS * MINUTE_MS }),
      RangeError,
    );
  });

  it('reads a series, and prunes, by index', async () => {
    const model = await fresh();
    const recorded = recorder();
    await model.apply(
      Array.from({ length: 400 }, (_, n) =>
        recorded(START_MS + n * MINUTE_MS, {
          counts: Array.from({ length: 20 }, (_, k) =>
            count({ keyId: `key_${String(k).padStart(12, '0')}` }),
          ),
        }),
      ),
    );
    await pool().query(`ANALYZE ${model.tables('minutes')}`);
    const plan: string[] = [];
    const explain = async <Row extends object>(sql: string, params?: readonly unknown[]) => {
      const lines = await pool().query<{ 'QUERY PLAN': string }>(`EXPLAIN ${sql}`, params);
      plan.push(...lines.map((row) => row['QUERY PLAN']));
      return pool().query<Row>(sql, params);
    };
    await usageSeries({ query: explain }, model.tables, tenant, KEY, {
      fromMs: START_MS,
      toMs: START_MS + HOUR_MS,
      interval: 'minute',
    });
    await explain(`SELECT FROM ${model.tables('minutes')} WHERE at_ms < $1`, [START_MS]);
    assert.doesNotMatch(plan.join('\n'), /Seq Scan/);
  });

  it('makes the same rows live in any batches, in any order of the streams, as rebuilt in one', async () => {
    const step = fc.record({
      key: fc.nat(2),
      writer: fc.nat(1),
      other: fc.boolean(),
      // Mostly near, sometimes past what is kept.
      minutes: fc.oneof(fc.nat(90), fc.nat(60 * 24 * 3), fc.nat(60 * 24 * 500)),
      code: fc.constantFrom('VALID' as const, 'REVOKED' as const, 'NOT_FOUND' as const),
      decisions: fc.oneof(fc.nat(3), fc.constant(90)),
    });
    // More decisions of a key than are kept, in one batch, the oldest of them last.
    const many = { key: 0, other: false, minutes: 0, code: 'VALID' as const, decisions: 90 };
    const lateAndTooMany = [1, 0, 0].map((writer) => ({ ...many, writer }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 15 }),
        fc.array(fc.nat(5), { minLength: 1 }),
        fc.boolean(),
        async (steps, cuts, delayed) => {
          const recorded = recorder();
          const events: Decoded[] = steps.map(({ key, writer, other, minutes, code, decisions }) => {
            const keyId = `key_00000000000${key}`;
            const minuteMs = START_MS + minutes * MINUTE_MS;
            return recorded(
              minuteMs,
              {
                counts: [count({ keyId, code, lastAt: at(minuteMs) })],
                decisions: Array.from({ length: decisions }, () => decision({ keyId, code })),
                decisionsDropped: key,
              },
              other ? OTHER_TENANT : TENANT,
              `w${writer}`,
            );
          });
          // As when the streams of a writer were parked, and replayed last.
          const isLate = (event: Decoded) => delayed && event.stream.endsWith('-w1');
          const arriving = [...events.filter((e) => !isLate(e)), ...events.filter(isLate)];
          const live = await fresh();
          for (let from = 0, n = 0; from < arriving.length; n++) {
            const size = 1 + cuts[n % cuts.length]!;
            await live.apply(arriving.slice(from, from + size));
            from += size;
          }
          const rebuilt = await fresh();
          await rebuilt.apply(events);
          assert.deepEqual(await live.rows(), await rebuilt.rows());
          for (const n of [revision, revision - 1]) await pool().query(`DROP SCHEMA rm_usage_${n} CASCADE`);
        },
      ),
      { numRuns: 20, examples: [[lateAndTooMany, [3], true]] },
    );
  });
});
