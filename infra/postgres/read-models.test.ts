import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import type { Projection, Tx } from '../../projections/projection.ts';
import { upsertRows } from '../../projections/upsert-rows.ts';
import type { Bookmark, Epoch, EventId, Position } from '../../schemas/envelope.ts';
import type { PlinthError } from '../../schemas/errors.ts';
import { testDatabase } from '../../test/support/postgres.ts';
import { systemClock } from '../system-clock.ts';
import { postgresChangesSource } from './changes-source.ts';
import { createPool } from './pool.ts';
import { migrateProjections, postgresProjectionStore } from './projection-store.ts';
import { postgresReadModels } from './read-models.ts';

const epoch = randomUUID() as Epoch;
const at = (n: number): Bookmark => ({
  epoch,
  position: (n === 0 ? '' : String(n).padStart(20, '0')) as Position,
  eventId: n === 0 ? null : (`event-${n}` as EventId),
});

const letters: Projection<Tx> = {
  name: 'letters',
  revision: 1,
  order: 'log',
  types: new Set(),
  tables: [{ name: 'letters', key: ['letter'] }],
  reads: 'public',
  publishesChanges: true,
  async create(tx, tables) {
    await tx.query(
      `CREATE TABLE ${tables('letters')} (letter text PRIMARY KEY, n bigint, tags text[], data jsonb)`,
    );
  },
  apply: () => Promise.resolve(),
};
const columns = { letter: 'text', n: 'bigint', tags: 'text[]', data: 'jsonb' };

async function opened(t: TestContext) {
  const pool = createPool({ connectionString: await testDatabase(t), applicationName: 'plinth test' });
  t.after(() => pool.close());
  await migrateProjections(pool);
  const store = postgresProjectionStore(pool);
  const reads = postgresReadModels({ primary: pool, clock: systemClock });
  t.after(() => reads.close());
  const revision = await store.open(letters, 'serve', epoch);
  const acquired = await store.acquire('letters', revision, 'me', 60_000);
  assert.equal(acquired.kind, 'held');
  const { lease } = acquired as Extract<typeof acquired, { kind: 'held' }>;
  const write = (from: number, to: number, rows: readonly Record<string, unknown>[]) =>
    store.advance(lease, at(from), at(to), ({ tx, tables }) =>
      upsertRows(tx, { table: tables('letters'), columns, key: ['letter'] }, rows),
    );
  return { pool, store, reads, lease, write };
}

const codeOf = (code: string) => (error: unknown) => (error as PlinthError).rejection?.code === code;

test('a read sees one snapshot, with the stamp of what it shows', async (t) => {
  const { reads, write } = await opened(t);
  await write(0, 1, [{ letter: 'a', n: 1, tags: ['x', 'y'], data: { deep: ['"'] } }]);
  const { result, stamp } = await reads.read('letters', {}, async (tx, tables) => {
    const before = await tx.query(`SELECT * FROM ${tables('letters')}`);
    await write(1, 2, [
      { letter: 'a', n: 2, tags: null, data: null },
      { letter: 'b', n: 3, tags: [], data: 4 },
    ]);
    assert.deepEqual(await tx.query(`SELECT * FROM ${tables('letters')}`), before);
    return before;
  });
  assert.deepEqual(result, [{ letter: 'a', n: 1, tags: ['x', 'y'], data: { deep: ['"'] } }]);
  assert.deepEqual(stamp, { ...at(1), revision: 1 });
  const after = await reads.read('letters', { also: ['letters'] }, (tx, _tables, _stamp, tablesOf) =>
    tx.query(`SELECT * FROM ${tablesOf('letters')('letters')} ORDER BY letter`),
  );
  assert.deepEqual(after.result, [
    { letter: 'a', n: 2, tags: null, data: null },
    { letter: 'b', n: 3, tags: [], data: 4 },
  ]);
});

test('a query cannot write, and what it throws comes out', async (t) => {
  const { reads, pool } = await opened(t);
  await assert.rejects(
    reads.read('letters', {}, (tx, tables) => tx.query(`INSERT INTO ${tables('letters')} VALUES ('z')`)),
    /read-only/,
  );
  assert.equal(pool.stats().waiting, 0);
  assert.deepEqual((await reads.read('letters', {}, async () => 7)).result, 7);
});

test('a read waits for the position it is asked for, and says so when it does not come', async (t) => {
  const { reads, write } = await opened(t);
  const waiting = reads.read('letters', { atLeast: at(1).position, waitMs: 10_000 }, async () => 'there');
  await write(0, 1, []);
  assert.equal((await waiting).result, 'there');
  await assert.rejects(
    reads.read('letters', { atLeast: at(2).position, waitMs: 30 }, async () => 'never'),
    codeOf('projection_behind'),
  );
});

test('hints from elsewhere are listened to with the first read that waits, and given up with the rest', async (t) => {
  const { pool, write } = await opened(t);
  const listening: AbortSignal[] = [];
  const reads = postgresReadModels({
    primary: pool,
    clock: systemClock,
    hints: {
      moved: () => {},
      listen(hint, signal) {
        listening.push(signal);
        // One about nothing that is known does no harm.
        hint('none');
        return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      },
    },
  });
  await reads.read('letters', {}, async () => 1);
  assert.equal(listening.length, 0);
  const waiting = reads.read('letters', { atLeast: at(1).position, waitMs: 10_000 }, async () => 'there');
  await write(0, 1, []);
  assert.equal((await waiting).result, 'there', 'without a single hint');
  assert.equal(listening[0]?.aborted, false);
  await reads.close();
  assert.equal(listening[0]?.aborted, true);
});

test('a halted projection refuses reads, one that was never made is unavailable', async (t) => {
  const { reads, store, pool } = await opened(t);
  await store.halt('letters', 1, at(0), 'the log was replaced');
  await assert.rejects(
    reads.read('letters', {}, async () => 1),
    codeOf('log_epoch_changed'),
  );
  await assert.rejects(
    reads.read('numbers', {}, async () => 1),
    codeOf('unavailable'),
  );
  await assert.rejects(
    postgresChangesSource(pool, 'numbers', { clock: systemClock }).poll(at(0).position),
    codeOf('unavailable'),
  );
});

test('a commit hints those who listen for changes', async (t) => {
  const { pool, write } = await opened(t);
  const stop = new AbortController();
  let hints = 0;
  let hinted: () => void = () => {};
  const source = postgresChangesSource(pool, 'letters', { clock: systemClock });
  const twice = new Promise<void>((resolve) => {
    hinted = resolve;
  });
  const listening = source.listen(() => {
    hints++;
    // The first says that the connection is there.
    if (hints === 1) void write(0, 1, []);
    else hinted();
  }, stop.signal);
  await twice;
  stop.abort();
  await listening;
});

test('an error of a statement is the event’s, one of the connection or of a missing table is not', async (t) => {
  const { pool, store, lease } = await opened(t);
  const failing = async (sql: string): Promise<boolean> => {
    let transient = false;
    await store
      .advance(lease, at(0), at(1), async ({ tx }) => {
        await tx.query(sql).catch((error: unknown) => {
          transient = store.isTransient(error);
          throw error;
        });
      })
      .catch(() => {});
    return transient;
  };
  assert.equal(await failing('SELECT 1 / 0'), false);
  assert.equal(await failing("SELECT 'x'::bigint"), false);
  assert.equal(await failing('SELECT FROM nowhere'), true);
  assert.equal(await failing('SELECT pg_terminate_backend(pg_backend_pid())'), true);
  assert.equal(store.isTransient(new TypeError('undefined is not a function')), false);
  assert.equal((await store.revisions())[0]!.bookmark.position, '');
  assert.equal(pool.stats().waiting, 0);
});

test('a transaction whose failure was swallowed is not taken for committed', async (t) => {
  const { store, lease } = await opened(t);
  await assert.rejects(
    store.advance(lease, at(0), at(1), async ({ tx }) => {
      await tx.query('SELECT 1 / 0').catch(() => {});
    }),
  );
  assert.equal((await store.revisions())[0]!.bookmark.position, '');
});
