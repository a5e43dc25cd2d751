/**
 * From the answer to a command to the first answer of a query that shows it, at a steady rate of commands
 * that does not wait for either (an open model). Everything runs as one process of `plinth start` runs it:
 * log, all projections, and the read by which the API answers `GET /v1/keys/{id}` with the position that
 * the command answered.
 *
 * What is held against the bar is the p99 in milliseconds. The yardstick beside it is the least that a
 * database can do: the time from the start of a bare INSERT to the answer of a SELECT of its row, p99, at
 * the same rate; the ratio is of the two.
 */
import pg from 'pg';
import { issueKey } from '../commands/keys/issue-key.ts';
import { DEFAULT_TENANT } from '../commands/tenants/default-tenant.ts';
import type { Engines } from '../infra/platform/engines.ts';
import { startProjector } from '../infra/platform/projector.ts';
import { createLog } from '../infra/telemetry/log.ts';
import { getKey } from '../projections/keys/queries.ts';
import type { Position } from '../schemas/envelope.ts';
import { type Benchmark, interleave, quantile } from './harness.ts';
import { commandOf, GRANTOR, ordinaryKey, scratchHouse } from './scratch-house.ts';

export const PER_SECOND = 200;
const ROUND_MS = 4_000;
const ROUNDS = 4;
const READ_WITHIN_MS = 5_000;

export const visibleBenchmark: Benchmark = {
  name: 'visible',
  unit: 'ms p99',
  bar: 50,
  passes: 'at most',
  held: 'value',
  says: `a command's answer to the first query that shows it, at ${PER_SECOND} commands/s, beside a bare INSERT and SELECT`,
  async measure() {
    const house = await scratchHouse();
    const { engines, environment } = house;
    const projector = startProjector(engines, createLog({ level: 'warn' }));
    const bare = await bareRows(environment.DATABASE_URL!);
    try {
      await untilProjected(engines);
      let issued = 0;
      const samples: number[] = [];
      const measured = await interleave({
        rounds: ROUNDS,
        subject: async () => {
          const latencies = await atSteadyRate(() => untilVisible(engines, issued++));
          samples.push(...latencies);
          return quantile(latencies, 0.99);
        },
        yardstick: async () => quantile(await atSteadyRate(bare.insertAndSelect), 0.99),
      });
      const counted = samples.slice(-ROUNDS * PER_SECOND * (ROUND_MS / 1_000));
      const value = quantile(counted, 0.99);
      return {
        value,
        yardstick: measured.yardstick,
        ratio: value / measured.yardstick,
        notes: [
          `of ${counted.length} commands: p50 ${quantile(counted, 0.5).toFixed(1)} ms, p90 ${quantile(counted, 0.9).toFixed(1)} ms, most ${Math.max(...counted).toFixed(1)} ms`,
        ],
      };
    } finally {
      await projector.stop();
      await bare.close();
      await house.close();
    }
  },
};

/** What each call says; calls start when they are due, however many are under way. */
export async function atSteadyRate<T>(
  call: () => Promise<T>,
  perSecond = PER_SECOND,
  ms = ROUND_MS,
): Promise<T[]> {
  const startedMs = performance.now();
  const total = (perSecond * ms) / 1_000;
  const calls: Promise<T>[] = [];
  while (calls.length < total) {
    const due = Math.min(total, ((performance.now() - startedMs) * perSecond) / 1_000);
    while (calls.length < due) calls.push(call());
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return Promise.all(calls);
}

async function untilVisible(engines: Engines, n: number): Promise<number> {
  const issued = await issueKey(engines.keyDeps, commandOf('visible', String(n)), GRANTOR, ordinaryKey(n));
  if (issued.kind === 'rejected') throw new Error(issued.rejection.detail);
  const answeredMs = performance.now();
  const { keyId } = issued.state;
  const found = await readKey(engines, keyId, issued.position!);
  if (!found) throw new Error(`${keyId} is not there at its own position`);
  return performance.now() - answeredMs;
}

async function readKey(engines: Engines, keyId: string, atLeast: Position) {
  const read = await engines.readModels.read(
    'key_list',
    { atLeast, waitMs: READ_WITHIN_MS, also: ['usage'] },
    (tx, keys, _stamp, tablesOf) =>
      getKey({ tx, keys, usage: tablesOf('usage') }, DEFAULT_TENANT, keyId, engines.clock.now()),
  );
  return read.result;
}

/** The projections are made by their runners, a moment after these start. */
async function untilProjected(engines: Engines): Promise<void> {
  const names = ['key_list', 'usage'];
  for (let waitedMs = 0; ; waitedMs += 20) {
    const revisions = await engines.store.revisions();
    if (names.every((name) => revisions.some((r) => r.projection === name && r.state === 'current'))) return;
    if (waitedMs > 10_000) throw new Error('the projections were not made within 10 s');
    await engines.clock.sleep(20);
  }
}

export async function bareRows(connectionString: string) {
  const pool = new pg.Pool({ connectionString, max: 20 });
  await pool.query('CREATE TABLE bare_rows (id text PRIMARY KEY, state text NOT NULL)');
  const state = JSON.stringify(ordinaryKey(1));
  let next = 0;
  return {
    async insertAndSelect(): Promise<number> {
      const startedMs = performance.now();
      const id = `row-${next++}`;
      await pool.query({
        name: 'bare-insert',
        text: 'INSERT INTO bare_rows (id, state) VALUES ($1, $2)',
        values: [id, state],
      });
      await pool.query({
        name: 'bare-select',
        text: 'SELECT state FROM bare_rows WHERE id = $1',
        values: [id],
      });
      return performance.now() - startedMs;
    },
    close: () => pool.end(),
  };
}
