import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../test/support/platform-process.ts';
import { testDatabase } from '../../test/support/postgres.ts';
import { createPool } from './pool.ts';
import { postgresRelayLease, relayLeaseHolder } from './relay-lease.ts';

test('one relay holds the topics, until it gives them up or says nothing any more', async (t) => {
  const pool = createPool({ connectionString: await testDatabase(t), applicationName: 'test' });
  t.after(() => pool.close());
  assert.equal(await relayLeaseHolder(pool, 'plinth'), null, 'no relay has ever run');
  const [a, b, other] = await Promise.all([
    postgresRelayLease(pool, 'plinth', 'a'),
    postgresRelayLease(pool, 'plinth', 'b'),
    postgresRelayLease(pool, 'elsewhere', 'b'),
  ]);
  assert.equal(await a.hold(), true);
  assert.equal(await a.hold(), true, 'it renews');
  assert.equal(await b.hold(), false);
  assert.equal(await other.hold(), true, 'other topics are not concerned');
  await b.release();
  assert.equal(await b.hold(), false, 'what is not ours is not released');
  await a.release();
  assert.equal(await relayLeaseHolder(pool, 'plinth'), null);
  assert.equal(await b.hold(), true);
  assert.equal(await relayLeaseHolder(pool, 'plinth'), 'b');
  await until('it has run out', () => a.hold());
  await b.seize();
  assert.equal(await a.hold(), false, 'an operator has it, whoever held it');
  await b.release();
  assert.equal(await a.hold(), true);
});
