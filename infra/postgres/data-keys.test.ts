import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TenantId } from '../../schemas/envelope.ts';
import { dataKeysContract } from '../../test/contracts/data-keys.ts';
import { fakeClock } from '../../test/support/fake-clock.ts';
import { type Cleanup, testDatabase } from '../../test/support/postgres.ts';
import { keyringOf } from '../secrets/keyring.ts';
import { systemRandom } from '../system-clock.ts';
import { openPostgresDataKeys } from './data-keys.ts';
import { postgresDataKeysBackup } from './data-keys-backup.ts';
import { createPool } from './pool.ts';

const secret = (byte: number) => Buffer.alloc(32, byte).toString('hex');
const keyring = keyringOf(secret(1), `1:${secret(2)}`);
const TENANT = 'tnt_00000000000000000000000000000001' as TenantId;

async function openPool(t: Cleanup, url?: string) {
  const pool = createPool({
    connectionString: url ?? (await testDatabase(t)),
    applicationName: 'plinth test',
  });
  t.after(() => pool.close());
  return pool;
}

async function open(
  t: Cleanup,
  pool: Awaited<ReturnType<typeof openPool>>,
  clock = fakeClock(),
  ring = keyring,
) {
  const dataKeys = await openPostgresDataKeys({ pool, keyring: ring, clock, random: systemRandom });
  t.after(() => dataKeys.stop());
  return dataKeys;
}

dataKeysContract('the data keys in Postgres', {
  async open(t) {
    const pool = await openPool(t);
    const clock = fakeClock();
    const dataKeys = await open(t, pool, clock);
    const elsewhere = await open(t, await openPool(t, pool.connectionString), clock);
    let copies = 0;
    return {
      dataKeys,
      elsewhere,
      clock,
      async copy() {
        copies += 1;
        const mine = copies;
        const kept = (table: string) => `plinth_keys.copy_${mine}_${table}`;
        const tables = ['data_keys', 'erasures', 'follower'];
        for (const table of tables) {
          await pool.query(`CREATE TABLE ${kept(table)} AS SELECT * FROM plinth_keys.${table}`);
        }
        return () =>
          pool.transaction(async (tx) => {
            for (const table of tables) {
              await tx.query(`DELETE FROM plinth_keys.${table}`);
              await tx.query(`INSERT INTO plinth_keys.${table} SELECT * FROM ${kept(table)}`);
            }
          });
      },
      restart: (epoch) => dataKeys.restart(epoch),
    };
  },
});

describe('the keyring of a key store', () => {
  it('may gain a pepper', async (t) => {
    const pool = await openPool(t);
    await open(t, pool);
    await open(t, pool, fakeClock(), keyringOf(secret(1), `1:${secret(2)},2:${secret(3)}`));
    await assert.rejects(open(t, pool), /pepper 2 is missing/);
  });

  it('is refused with another master key or pepper, and nothing of it is recorded', async (t) => {
    const pool = await openPool(t);
    await open(t, pool);
    const other = keyringOf(secret(9), `1:${secret(8)},2:${secret(7)}`);
    await assert.rejects(open(t, pool, fakeClock(), other), {
      name: 'KeyringFault',
      message: /master is not the one that was used before, pepper 1 is not/,
    });
    await open(t, pool);
  });
});

describe('data keys in Postgres', () => {
  it('leave no wrapped bytes of an erased key in the table', async (t) => {
    const pool = await openPool(t);
    const dataKeys = await open(t, pool);
    const { keyId } = await dataKeys.active(TENANT, 'alice');
    await dataKeys.erase({
      after: '' as never,
      erasures: [{ keyIds: [keyId], position: '00000000000000000007' as never }],
      bookmark: { epoch: 'e' as never, position: '00000000000000000007' as never, eventId: 'x' as never },
    });
    assert.deepEqual(await pool.query('SELECT key_id, wrapped, closed FROM plinth_keys.data_keys'), [
      { key_id: keyId, wrapped: null, closed: true },
    ]);
  });

  it('that were moved to another subject do not unwrap', async (t) => {
    const pool = await openPool(t);
    const clock = fakeClock();
    const dataKeys = await open(t, pool, clock);
    const { keyId } = await dataKeys.active(TENANT, 'alice');
    await pool.query(`UPDATE plinth_keys.data_keys SET subject = 'mallory'`);
    await clock.advance(5_001);
    assert.equal((await dataKeys.lookup([keyId])).get(keyId), 'missing');
    await assert.rejects(dataKeys.active(TENANT, 'mallory'), { name: 'UnwrapFailed' });
  });

  it('are found by an index when they are activated and looked up', async (t) => {
    const pool = await openPool(t);
    await open(t, pool);
    await pool.query(
      `INSERT INTO plinth_keys.data_keys (key_id, tenant, subject, wrapped)
       SELECT 'dk_' || n, 'tnt_1', 'owner-' || n, '\\x00' FROM generate_series(1, 20000) n`,
    );
    await pool.query('ANALYZE plinth_keys.data_keys');
    const plan = await pool.query(
      `EXPLAIN SELECT d.key_id FROM unnest(ARRAY['tnt_1'], ARRAY['owner-5']) AS w (tenant, subject)
       JOIN plinth_keys.data_keys d
         ON d.tenant = w.tenant AND coalesce(d.subject, '') = coalesce(w.subject, '') AND NOT d.closed`,
    );
    assert.match(JSON.stringify(plan), /one_active_data_key/);
  });

  it('come back from a backup, closed and destroyed ones as they were', async (t) => {
    const [from, to] = [await openPool(t), await openPool(t)];
    const clock = fakeClock();
    const source = await open(t, from, clock);
    const alice = await source.active(TENANT, 'alice');
    await source.close(TENANT, 'alice');
    const gone = await source.active(TENANT, 'gone');
    await source.erase({
      after: '' as never,
      erasures: [{ keyIds: [gone.keyId], position: '00000000000000000007' as never }],
      bookmark: { epoch: 'e' as never, position: '00000000000000000007' as never, eventId: 'x' as never },
    });
    await Promise.all(Array.from({ length: 1_200 }, (_, n) => source.active(TENANT, `owner-${n}`)));
    const target = await open(t, to, clock);
    assert.equal(await postgresDataKeysBackup(to).load(postgresDataKeysBackup(from).dump()), 1_202);
    const found = (await target.lookup([alice.keyId])).get(alice.keyId)!;
    assert(found !== 'missing' && 'key' in found && found.key.equals(alice.key));
    assert.notEqual((await target.active(TENANT, 'alice')).keyId, alice.keyId);
    assert.equal((await target.lookup([gone.keyId])).get(gone.keyId), 'missing');
    assert.equal(await target.bookmark(), null, 'its follower reads the erasures again from the start');
    await assert.rejects(postgresDataKeysBackup(to).load(postgresDataKeysBackup(from).dump()), /not empty/);
  });
});
