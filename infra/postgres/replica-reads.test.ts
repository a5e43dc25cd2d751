/** Reads on a real streaming replica. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import type { Projection, Tx } from '../../projections/projection.ts';
import { upsertRows } from '../../projections/upsert-rows.ts';
import type { Bookmark, Epoch, EventId, Position } from '../../schemas/envelope.ts';
import type { PlinthError } from '../../schemas/errors.ts';
import { startTestServer, type TestServer } from '../../test/support/postgres.ts';
import { type Replica, startReplica } from '../../test/support/postgres-replica.ts';
import { systemClock } from '../system-clock.ts';
import { createPool, type Pool } from './pool.ts';
import { migrateProjections, postgresProjectionStore } from './projection-store.ts';
import { type PostgresReadModels, postgresReadModels, REPLICA_LIMITS } from './read-models.ts';
import { revisionTables } from './revision-tables.ts';

const epoch = randomUUID() as Epoch;
const at = (n: number): Bookmark => ({
  epoch,
  position: (n === 0 ? '' : String(n).padStart(20, '0')) as Position,
  eventId: n === 0 ? null : (`event-${n}` as EventId),
});
const numbers: Projection<Tx> = {
  name: 'numbers',
  revision: 1,
  order: 'log',
  types: new Set(),
  tables: [{ name: 'numbers', key: ['n'] }],
  reads: 'public',
  publishesChanges: true,
  async create(tx, tables) {
    await tx.query(`CREATE TABLE ${tables('numbers')} (n bigint PRIMARY KEY)`);
  },
  apply: () => Promise.resolve(),
};

describe('reads where there is a replica', () => {
  let server: TestServer;
  let replica: Replica;
  let primary: Pool;
  let second: Pool;
  let reads: PostgresReadModels;
  let write: () => Promise<Position>;
  let halt: (why: string) => Promise<unknown>;
  let nowMs = 0;
  const by: string[] = [];
  const last = () => by.at(-1);
  let standsAtMs: number | null = null;
  /** Real, but for what a test skips, and where it stands still. */
  const clock = { ...systemClock, now: () => (standsAtMs ?? systemClock.now()) + nowMs };

  before(async () => {
    server = await startTestServer();
    primary = createPool({ connectionString: server.url, applicationName: 'plinth test' });
    await migrateProjections(primary);
    const store = postgresProjectionStore(primary);
    const revision = await store.open(numbers, 'serve', epoch);
    const acquired = await store.acquire('numbers', revision, 'me', 3_600_000);
    assert.equal(acquired.kind, 'held');
    const { lease } = acquired as Extract<typeof acquired, { kind: 'held' }>;
    let n = 0;
    write = async () => {
      n += 1;
      await store.advance(lease, at(n - 1), at(n), ({ tx, tables }) =>
        upsertRows(tx, { table: tables('numbers'), columns: { n: 'bigint' }, key: ['n'] }, [{ n }]),
      );
      return at(n).position;
    };
    halt = (why) => store.halt('numbers', revision, at(n), why);
    await write();
    await replicate();
  });

  const replicate = async () => {
    replica = await startReplica(server.url);
    second = createPool({
      connectionString: replica.url,
      applicationName: 'plinth test',
      ...REPLICA_LIMITS,
    });
    reads = postgresReadModels({ primary, replica: second, clock, onRead: (one) => by.push(one) });
  };
  const endReplica = async () => {
    await reads?.close();
    await second?.close();
    await replica?.stop();
  };

  after(async () => {
    await endReplica();
    await primary?.close();
    await server?.stop();
  });

  const read = async (atLeast?: Position, sql = 'SELECT max(n) AS n FROM $t') => {
    const options = atLeast === undefined ? {} : { atLeast };
    const { result, stamp } = await reads.read('numbers', options, async (tx, tables) => {
      const where = await tx.query<{ yes: boolean }>('SELECT pg_is_in_recovery() AS yes');
      const [row] = await tx.query<{ n: number }>(sql.replace('$t', tables('numbers')));
      return { n: row?.n, onReplica: where[0]!.yes };
    });
    return { ...result, position: stamp.position };
  };

  it('go to the replica', async () => {
    await replica.caughtUp();
    assert.deepEqual(await read(), { n: 1, onReplica: true, position: at(1).position });
    assert.equal(last(), 'replica');
  });

  it('go to the primary when the replica has not reached the position asked for, and back when it has', async () => {
    await replica.pause();
    const position = await write();
    assert.deepEqual(await read(position), { n: 2, onReplica: false, position });
    assert.equal(last(), 'behind');
    assert.deepEqual(await read(), { n: 1, onReplica: true, position: at(1).position });
    await replica.resume();
    await replica.caughtUp();
    assert.deepEqual(await read(position), { n: 2, onReplica: true, position });
  });

  it('wait on the primary for a position that is not there yet', async () => {
    const waiting = read(at(3).position);
    await write();
    assert.equal((await waiting).onReplica, false);
    await assert.rejects(
      reads.read('numbers', { atLeast: at(9).position, waitMs: 30 }, async () => 1),
      (error: unknown) => (error as PlinthError).rejection.code === 'projection_behind',
    );
  });

  it('leave a replica that lags by more than 5 s', async () => {
    await replica.caughtUp();
    standsAtMs = systemClock.now();
    await read();
    await replica.pause();
    await write();
    assert.equal((await read()).onReplica, true, 'at first it is no further behind than it may be');
    nowMs += 600;
    await read();
    nowMs += 5_001;
    // The look at the primary that began before may end only now.
    for (let i = 0; i < 200 && last() !== 'lagging'; i++) await read();
    assert.deepEqual([(await read()).n, last()], [4, 'lagging']);
    standsAtMs = null;
    await replica.resume();
    await replica.caughtUp();
    assert.equal((await read()).onReplica, true);
  });

  it('leave a replica that lags by more than 5 s also where Kafka feeds the projection', async () => {
    const store = postgresProjectionStore(primary);
    const revision = await store.open({ ...numbers, name: 'fed', publishesChanges: false }, 'serve', epoch);
    const taken = await store.acquire('fed', revision, 'me', 60_000);
    assert.ok(taken.kind === 'held');
    const generation = { generation: 1, partitions: 1 };
    const placeAt = (n: number) => ({ domain: 'keys', partition: 0, bookmark: at(n), offset: String(n) });
    await store.advance(taken.lease, at(0), at(1), null);
    await store.join(taken.lease, at(1), { ...generation, places: [placeAt(1)] });
    const move = (from: number, to: number) =>
      store.advancePlaces(
        { projection: 'fed', revision, generation },
        [{ from: placeAt(from), to: placeAt(to) }],
        null,
      );
    const look = async () => {
      // As a process does that runs the projection as well.
      assert.equal((await store.places('fed', revision))?.places.length, 1);
      const { position } = (await reads.read('fed', {}, async () => null)).stamp;
      return [position, last()];
    };
    await replica.caughtUp();
    nowMs += 5_001;
    assert.deepEqual(await look(), [at(1).position, 'replica']);
    await replica.pause();
    await move(1, 2);
    nowMs += 5_001;
    assert.deepEqual(await look(), [at(2).position, 'lagging']);
    await replica.resume();
    await replica.caughtUp();
    assert.deepEqual(await look(), [at(2).position, 'replica']);
  });

  it('survive a query that stands in the way of replay', async () => {
    await replica.caughtUp();
    const slow = read(undefined, 'SELECT count(*) AS n, pg_sleep(2) FROM $t');
    const running = `SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(2)%' AND pid <> pg_backend_pid()`;
    for (let looks = 0; (await second.query(running)).length === 0; looks++) {
      assert.ok(looks < 1_000, 'the query runs on the replica');
      await systemClock.sleep(10);
    }
    await primary.query(
      `BEGIN; LOCK TABLE ${revisionTables('numbers', 1)('numbers')} IN ACCESS EXCLUSIVE MODE;
       SELECT pg_current_xact_id(); COMMIT`,
    );
    assert.deepEqual([(await slow).onReplica, last()], [false, 'failed']);
  });

  it('go to the primary where the replica refuses them, or lacks what a migration made', async () => {
    const { n } = await read();
    for (const database of ['none', 'postgres']) {
      const url = new URL(replica.url);
      url.pathname = database;
      const other = createPool({
        connectionString: url.href,
        applicationName: 'plinth test',
        ...REPLICA_LIMITS,
      });
      const models = postgresReadModels({ primary, replica: other, clock, onRead: (one) => by.push(one) });
      const { result } = await models.read('numbers', {}, (tx, tables) =>
        tx.query<{ n: number }>(`SELECT max(n) AS n FROM ${tables('numbers')}`),
      );
      assert.deepEqual([result[0]?.n, last()], [n, 'failed'], database);
      await models.close();
      await other.close();
    }
  });

  it('throw what the query itself says, once', async () => {
    await assert.rejects(read(undefined, 'SELECT 1 / 0 AS n FROM $t'), /division by zero/);
    await assert.rejects(
      reads.read('letters', {}, async () => 1),
      (error: unknown) => (error as PlinthError).rejection.code === 'unavailable',
    );
    assert.equal(last(), 'history');
  });

  it('go on while the replica is gone, and go back to it by themselves', async () => {
    await replica.kill();
    for (let i = 0; i < 6; i++) assert.equal((await read()).onReplica, false);
    assert.ok(by.includes('failed') && last() === 'resting', String(by));
    await replica.start();
    await replica.caughtUp();
    for (let i = 0; i < 600 && !(await read()).onReplica; i++) {
      await systemClock.sleep(20);
    }
    assert.equal(last(), 'replica');
  });

  it('pass by a replica that can never catch up any more, until it is made anew', async () => {
    const slot = async () => {
      const [row] = await primary.query<{ wal_status: string }>(
        'SELECT wal_status FROM pg_replication_slots',
      );
      return row!.wal_status;
    };
    await primary.query(`ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'`);
    await primary.query('SELECT pg_reload_conf()');
    await replica.kill();
    for (let segments = 0; (await slot()) !== 'lost'; segments++) {
      assert.ok(segments < 50, 'the slot keeps everything');
      await primary.query(`SELECT pg_logical_emit_message(true, 'test', ''), pg_switch_wal()`);
      await primary.query('CHECKPOINT');
    }
    await replica.start();
    const { n } = await read();
    await write();
    nowMs += 5_001;
    // It runs and answers, and shows what it showed when it was lost, for ever.
    for (let i = 0; i < 600 && last() !== 'lagging'; i++) {
      assert.equal((await read()).onReplica, false);
      await systemClock.sleep(20);
    }
    assert.deepEqual([(await read()).n, last()], [n! + 1, 'lagging']);
    const [there] = await second.query<{ n: number }>(`SELECT max(n) AS n FROM rm_numbers_1.numbers`);
    assert.ok(there!.n <= n!);
    await assert.rejects(replica.caughtUp(500), /was not there/);

    await primary.query('ALTER SYSTEM RESET max_slot_wal_keep_size');
    await primary.query('SELECT pg_reload_conf()');
    await endReplica();
    await replicate();
    await replica.caughtUp();
    assert.deepEqual(await read().then(({ n, onReplica }) => [n, onReplica]), [n! + 1, true]);
  });

  it('refuse when the primary says that the projection halted, though the replica has not heard of it', async () => {
    await replica.caughtUp();
    await replica.pause();
    await read();
    await halt('the log was replaced');
    nowMs += 600;
    await read().catch(() => undefined);
    for (let i = 0; i < 200 && last() !== 'history'; i++) await read().catch(() => undefined);
    await assert.rejects(read(), (error: unknown) => {
      return (error as PlinthError).rejection.code === 'log_epoch_changed';
    });
    assert.equal(last(), 'history');
    await replica.resume();
  });
});
