import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startFaultProxy } from '../../test/support/fault-proxy.ts';
import { freePort } from '../../test/support/free-port.ts';
import { testDatabase } from '../../test/support/postgres.ts';
import { troubleOf } from '../engine-trouble.ts';
import { isTransient } from './errors.ts';
import { migrate } from './migrations.ts';
import { createPool, type Pool, type PoolOptions } from './pool.ts';

async function open(t: TestContext, options: Partial<PoolOptions> = {}): Promise<Pool> {
  const pool = createPool({
    connectionString: await testDatabase(t),
    applicationName: 'plinth pool test',
    ...options,
  });
  t.after(() => pool.close());
  return pool;
}

/** Ends every other connection of the pool's database. */
const END_OTHERS =
  'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()';

test('a bigint comes back as a number, and one past 2^53 as an error', async (t) => {
  const pool = await open(t);
  assert.deepEqual(await pool.query("SELECT 9007199254740991::bigint AS n, '7'::bigint AS m"), [
    { n: 9_007_199_254_740_991, m: 7 },
  ]);
  await assert.rejects(pool.query('SELECT 9007199254740993::bigint AS n'), /past 2\^53/);
  assert.deepEqual(await pool.query('SELECT 1 AS n'), [{ n: 1 }], 'the connection is still whole');
});

test('a transaction that throws is rolled back and throws the same', async (t) => {
  const pool = await open(t);
  await pool.query('CREATE TABLE kept (n int)');
  const mine = new Error('mine');
  await assert.rejects(
    pool.transaction(async (tx) => {
      await tx.query('INSERT INTO kept VALUES (1)');
      throw mine;
    }),
    (error) => error === mine,
  );
  await assert.rejects(
    pool.transaction(async (tx) => {
      await tx.query('INSERT INTO kept VALUES (2)');
      await tx.query('SELECT 1/0').catch(() => undefined);
    }),
    /rolled back/,
    'a commit that the server turned into a rollback is no success',
  );
  await pool.transaction((tx) => tx.query('INSERT INTO kept VALUES (3)'));
  assert.deepEqual(await pool.query('SELECT n FROM kept'), [{ n: 3 }]);
});

test('connections that break while idle and in a transaction leave the process and the pool alive', async (t) => {
  let lost = 0;
  const pool = await open(t, { onLostConnection: () => lost++ });
  await Promise.all(Array.from({ length: 4 }, () => pool.query('SELECT pg_sleep(0.5)')));
  await pool.query(END_OTHERS);
  await assert.rejects(
    pool.transaction(async (tx) => {
      await tx.query('SELECT 1');
      await pool.query(END_OTHERS);
      await tx.query('SELECT 1');
    }),
    (error) => isTransient(error),
  );
  for (let waited = 0; lost < 1 && waited < 500; waited++)
    await pool.query('SELECT pg_sleep(0.01)').catch(() => undefined);
  // One that is taken from the pool before its end is noticed fails its statement instead.
  assert.ok(lost >= 1);
  assert.deepEqual(await pool.query('SELECT 1 AS n'), [{ n: 1 }]);
});

test('a server that is gone without a word fails what waits for it, and its connection is not used again', async (t) => {
  const url = new URL(await testDatabase(t));
  const proxy = await startFaultProxy(t, { host: url.hostname, port: Number(url.port) });
  url.port = String(proxy.port);
  const pool = createPool({
    connectionString: url.href,
    applicationName: 'plinth pool test',
    statementTimeoutMs: 100,
  });
  t.after(() => pool.close());
  await pool.query('SELECT 1');
  proxy.hang();
  await assert.rejects(pool.query('SELECT 2'), isTransient);
  assert.equal(pool.stats().total, 0);
  proxy.heal();
  await assert.rejects(
    pool.transaction((tx) => {
      proxy.hang();
      return tx.query('SELECT 3');
    }),
    isTransient,
  );
  assert.equal(pool.stats().total, 0);
  proxy.heal();
  assert.deepEqual(await pool.query('SELECT 4 AS n'), [{ n: 4 }]);
});

test('what fails is told by the setting of the server, where that is another than the primary', async () => {
  const pool = createPool({
    connectionString: `postgres://keys:hunter2@127.0.0.1:${await freePort()}/keys`,
    applicationName: 'plinth pool test',
    setting: 'DATABASE_REPLICA_URL',
  });
  for (const ask of [
    () => pool.query('SELECT 1'),
    () => pool.transaction((tx) => tx.query('SELECT 1')),
    () => pool.rows({ name: 'one', text: 'SELECT 1' }, []),
  ]) {
    const failure = await ask().catch((error: unknown) => error);
    const around = new Error('a read failed', { cause: failure });
    assert.equal(troubleOf(around), 'PostgreSQL does not answer: check DATABASE_REPLICA_URL');
    assert.equal(troubleOf(around, true), 'PostgreSQL does not answer: check DATABASE_REPLICA_URL');
  }
  await pool.close();
});

test('a statement past its time limit ends with a transient error', async (t) => {
  const pool = await open(t, { statementTimeoutMs: 50 });
  await assert.rejects(pool.query('SELECT pg_sleep(30)'), (error) => isTransient(error));
});

test('each statement is told to the metrics with its name', async (t) => {
  const told: [string, boolean][] = [];
  const pool = await open(t, { onQuery: (name, _, failed) => told.push([name, failed]) });
  await pool.query({ name: 'one', text: 'SELECT 1' });
  await pool.query('SELECT 1/0').catch(() => undefined);
  assert.deepEqual(told, [
    ['one', false],
    ['adhoc', true],
  ]);
});

test('a mistake in a statement is no transient error, a lost connection is', () => {
  assert.equal(isTransient(Object.assign(new Error('x'), { code: '42P01', severity: 'ERROR' })), false);
  assert.equal(isTransient(Object.assign(new Error('x'), { code: '40001', severity: 'ERROR' })), true);
  assert.equal(isTransient(Object.assign(new Error('x'), { code: 'ECONNRESET' })), true);
  assert.equal(isTransient(new Error('Connection terminated unexpectedly')), true);
  assert.equal(isTransient(new TypeError('x is not a function')), false);
});

test('migrations run once, in order, whoever starts them at the same time', async (t) => {
  const pool = await open(t);
  const steps = [
    { name: '001', sql: 'CREATE TABLE house.rooms (n int); INSERT INTO house.rooms VALUES (1)' },
    { name: '002', sql: 'INSERT INTO house.rooms SELECT n + 1 FROM house.rooms' },
  ];
  const applied = await Promise.all(Array.from({ length: 5 }, () => migrate(pool, 'house', steps)));
  assert.deepEqual(applied.flat(), ['001', '002']);
  assert.deepEqual(await pool.query('SELECT n FROM house.rooms ORDER BY n'), [{ n: 1 }, { n: 2 }]);
});

test('a migration that fails leaves nothing, and a newer database is refused', async (t) => {
  const pool = await open(t);
  const good = { name: '001', sql: 'CREATE TABLE house.rooms (n int)' };
  await assert.rejects(migrate(pool, 'house', [good, { name: '002', sql: 'SELECT 1/0' }]), /division/);
  assert.deepEqual(await pool.query("SELECT to_regclass('house.rooms') AS rooms"), [{ rooms: null }]);
  await migrate(pool, 'house', [good]);
  await assert.rejects(migrate(pool, 'house', []), /newer release/);
});
