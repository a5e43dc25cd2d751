import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fedRunners } from '../test/support/fed-runners.ts';
import { FORSAKEN_MS } from './fed-elsewhere.ts';

const SECOND_MS = 1_000;

test('whoever has no Kafka leaves it to those who have, says so, and takes it back when nobody feeds it', async (t) => {
  const { clock, startRelay, runner, append, counted, isFed } = fedRunners(t);
  startRelay();
  const member = runner('member', true);
  await append();
  await clock.advance(10 * SECOND_MS);
  assert.ok(await isFed());
  const without = runner('without', false);
  let appended = 1;
  for (let s = 0; s < 120; s++) {
    // Busy, then quiet for longer than it takes to be forsaken.
    if (s % 40 < 20) {
      await append();
      appended += 1;
    }
    await clock.advance(SECOND_MS);
    assert.ok(await isFed(), `taken back after ${s} s`);
    assert.equal(counted(), appended);
  }
  assert.equal(without.health().state, 'standby');
  assert.match(without.health().problem!, /set KAFKA_BROKERS in all or in none/);

  await member.stop();
  await clock.advance(60 * SECOND_MS);
  assert.ok(await isFed(), 'nothing waits');
  await append();
  await clock.advance(FORSAKEN_MS + 3 * SECOND_MS);
  assert.ok(!(await isFed()));
  assert.equal(counted(), appended + 1);
  assert.deepEqual([without.health().state, without.health().problem], ['live', null]);

  // It holds the lease now: who comes with Kafka stands by, and nothing goes to and fro.
  const late = runner('late', true);
  for (let s = 0; s < 60; s++) {
    await append();
    await clock.advance(SECOND_MS);
    assert.ok(!(await isFed()));
  }
  assert.equal(late.health().state, 'standby');
  await without.stop();
  await append();
  await clock.advance(10 * SECOND_MS);
  assert.ok(await isFed());
});

test('whoever has no Kafka notices that the log has lost what was applied, though nobody feeds it', async (t) => {
  const { clock, startRelay, runner, append, replaceLast, halted, isFed } = fedRunners(t);
  startRelay();
  const member = runner('member', true);
  for (let n = 0; n < 3; n++) await append();
  await clock.advance(10 * SECOND_MS);
  assert.ok(await isFed());
  await member.stop();
  runner('without', false);
  await clock.advance(10 * SECOND_MS);
  assert.equal(halted(), null);
  await replaceLast();
  await clock.advance(FORSAKEN_MS + 5 * SECOND_MS);
  assert.match(halted()!, /was replaced/);
});
