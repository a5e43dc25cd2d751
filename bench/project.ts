/**
 * A log of key events into an empty read model, by the real runner, codec and projection. Against the same
 * upserts alone: every statement that the projection wrote with, replayed with its parameters as they were
 * sent, in transactions as large, into tables of the same definition. Nothing is read, decoded, folded
 * or serialised there.
 *
 * Both tables grow side by side, segment by segment: the log is handed to the runner through a gate that
 * lets one segment pass, and the upserts of that segment are replayed next.
 */
import type { EventLog } from '../commands/event-log.ts';
import { positionOf } from '../infra/event-log/recorded-row.ts';
import type { Engines } from '../infra/platform/engines.ts';
import type { Pool, Session } from '../infra/postgres/pool.ts';
import { statementOf } from '../infra/postgres/prepared-texts.ts';
import { postgresProjectionStore } from '../infra/postgres/projection-store.ts';
import { keysProjection } from '../projections/keys/keys-projection.ts';
import type { Projection, Tx } from '../projections/projection.ts';
import { projectionRunner } from '../projections/runner.ts';
import type { ProjectionStore } from '../projections/store.ts';
import { type Position, START } from '../schemas/envelope.ts';
import { type Benchmark, median, type Round } from './harness.ts';
import { appendKeyLog } from './key-events.ts';
import { scratchHouse } from './scratch-house.ts';

const EVENTS = 200_000;
const UPDATES = 0.6;
const SEGMENT_EVENTS = 20_000;
/** Into tables of their own, before anything is counted. */
const WARM_UP_EVENTS = 20_000;

export const projectBenchmark: Benchmark = {
  name: 'project',
  unit: 'events/s',
  bar: 0.5,
  passes: 'at least',
  says: `${EVENTS} key events, ${UPDATES * 100} % of them updates, into an empty read model, against its upserts alone`,
  async measure() {
    const house = await scratchHouse();
    try {
      const { engines } = house;
      const startedMs = performance.now();
      await appendKeyLog(engines, EVENTS, UPDATES);
      const preloadMs = performance.now() - startedMs;
      await projectInSegments(engines, { ...keysProjection, name: 'warm_up' }, WARM_UP_EVENTS);
      const rounds = await projectInSegments(engines, keysProjection, EVENTS);
      return {
        value: eventsPerSecond(rounds.map((round) => round.value)),
        yardstick: eventsPerSecond(rounds.map((round) => round.yardstick)),
        ratio: median(rounds.map((round) => round.value / round.yardstick)),
        notes: [`the log was written at ${Math.round((EVENTS * 1_000) / preloadMs)} events/s`],
      };
    } finally {
      await house.close();
    }
  },
};

/** Of segments of the same size. */
function eventsPerSecond(rates: readonly number[]): number {
  return rates.length / rates.reduce((sum, rate) => sum + 1 / rate, 0);
}

async function projectInSegments(
  engines: Engines,
  projection: Projection,
  events: number,
): Promise<readonly Round[]> {
  const { pool, codec, clock } = engines;
  const bare = await bareTables(pool, projection);
  const gate = gatedLog(engines.log);
  const written: Written[][] = [];
  const store = reportingStore(postgresProjectionStore(recordingPool(pool, projection.name, written)));
  const stop = new AbortController();
  const running = projectionRunner(
    { projection, store: store.store, log: gate.log, decoder: codec, clock, feed: null },
    { holder: `bench ${projection.name}` },
  ).run(stop.signal);
  const rounds: Round[] = [];
  for (let through = SEGMENT_EVENTS; through <= events; through += SEGMENT_EVENTS) {
    const segmentMs = await timed(async () => {
      const done = store.reached(positionOf(through));
      gate.open(through);
      await done;
    });
    const yardstickMs = await timed(() => bare.replay(written.splice(0)));
    rounds.push({
      value: (SEGMENT_EVENTS * 1_000) / segmentMs,
      yardstick: (SEGMENT_EVENTS * 1_000) / yardstickMs,
    });
  }
  stop.abort();
  await running;
  await bare.compare();
  return rounds;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

/** The log, of which a subscription sees what the gate has let through. */
function gatedLog(log: EventLog): { readonly log: EventLog; open(through: number): void } {
  let opened = 0;
  let wake = () => {};
  const gated: EventLog = {
    ...log,
    async *subscribe(after, { batchEvents, signal }) {
      let at = Number(after);
      signal.addEventListener('abort', () => wake(), { once: true });
      while (!signal.aborted) {
        if (at === opened) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        const slice = await log.readAll(
          at === 0 ? START : (positionOf(at) as Position),
          Math.min(batchEvents, opened - at),
        );
        at = Number(slice.through);
        yield slice;
      }
    },
  };
  return {
    log: gated,
    open(through) {
      opened = through;
      wake();
    },
  };
}

interface Written {
  readonly sql: string;
  readonly params: readonly unknown[];
}

const WRITES = /^\s*(?:INSERT INTO|UPDATE|DELETE FROM) "rm_/;

/** Keeps the statements that change the read model; one list a transaction. */
function recordingPool(pool: Pool, name: string, written: Written[][]): Pool {
  const recorded = (session: Session, list: Written[]): Session => ({
    query(statement, params = []) {
      const sql = typeof statement === 'string' ? statement : statement.text;
      if (WRITES.test(sql) && sql.includes(`"rm_${name}_`)) list.push({ sql, params });
      return session.query(statement, params);
    },
  });
  return {
    ...pool,
    session: (work) =>
      pool.session((session) => {
        const list: Written[] = [];
        written.push(list);
        return work(recorded(session, list));
      }),
  };
}

/** Tells when a position has been committed. */
function reportingStore(store: ProjectionStore<Tx>) {
  let wanted: { position: Position; resolve: () => void } | null = null;
  return {
    store: {
      ...store,
      async advance(lease, from, to, work) {
        await store.advance(lease, from, to, work);
        if (wanted && to.position >= wanted.position) wanted.resolve();
      },
    } satisfies ProjectionStore<Tx>,
    reached: (position: Position) =>
      new Promise<void>((resolve) => {
        wanted = { position, resolve };
      }),
  };
}

/** Tables like the projection's own, written by its statements alone. */
async function bareTables(pool: Pool, projection: Projection) {
  const schema = `bare_${projection.name}`;
  await pool.query(`CREATE SCHEMA ${schema}`);
  await projection.create(pool, (table) => `"${schema}"."${table}"`);
  const ours = new RegExp(`"rm_${projection.name}_1"`, 'g');
  return {
    async replay(transactions: readonly (readonly Written[])[]): Promise<void> {
      for (const statements of transactions) {
        if (statements.length === 0) continue;
        await pool.session(async (session) => {
          // As the runner commits: a read model need not wait for the disk.
          await session.query('BEGIN; SET LOCAL synchronous_commit = off');
          for (const { sql, params } of statements) {
            await session.query(statementOf(sql.replace(ours, `"${schema}"`)), params);
          }
          await session.query('COMMIT');
        });
      }
    },
    /** The yardstick did the same work, or it is none. */
    async compare(): Promise<void> {
      const [row] = await pool.query<{ differ: number; rows: number }>(
        `SELECT (SELECT count(*) FROM "rm_${projection.name}_1".keys)::integer AS rows,
           (SELECT count(*) FROM "rm_${projection.name}_1".keys a FULL JOIN ${schema}.keys b USING (key_id)
            WHERE a.state IS DISTINCT FROM b.state)::integer AS differ`,
      );
      if (!row || row.rows === 0 || row.differ > 0) {
        throw new Error(`${row?.differ} of ${row?.rows} rows of the yardstick are others`);
      }
    },
  };
}
