import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fedRunners } from '../test/support/fed-runners.ts';
import { relayProblem, relayStanding, withProblem } from './relay-standing.ts';
import type { Revision } from './store.ts';

const SECOND_MS = 1_000;

test('a projection that waits for a relay which stands still names it, and no other wait is called so', async (t) => {
  const { clock, log, feed, startRelay, runner, append, isFed, counted } = fedRunners(t);
  const one = runner('one', true);
  const look = relayProblem({ feed, log, clock });
  assert.equal(await relayStanding(feed, log), null);
  let stop = startRelay();
  await append();
  await clock.advance(10 * SECOND_MS);
  assert.ok(await isFed());
  assert.equal(one.health().feed?.generation, 1);

  // Whatever the relay brings in time is no reason to name it, nor is that nothing happens.
  for (let s = 0; s < 20; s++) {
    await append();
    await clock.advance(SECOND_MS);
    assert.deepEqual([one.health().problem, one.health().relayStandsAt, await look()], [null, null, null]);
  }
  await stop();
  await clock.advance(60 * SECOND_MS);
  assert.deepEqual([one.health().state, one.health().problem], ['live', null]);
  const { position } = await log.head();
  assert.deepEqual(await relayStanding(feed, log), {
    ...one.health().feed!,
    relayed: (await feed.ends([]))!.relayed,
    waitingSinceMs: null,
  });

  const waitingSinceMs = clock.now();
  await append();
  await clock.advance(3 * SECOND_MS);
  assert.equal(one.health().problem, null, 'another relay may take over yet');
  assert.equal(await look(), null);
  await append();
  await clock.advance(7 * SECOND_MS);
  const { state, problem, relayStandsAt } = one.health();
  assert.deepEqual([state, relayStandsAt], ['catching_up', position]);
  assert.match(problem!, new RegExp(`the relay stands at ${position} .*plinth relay status`));
  assert.equal((await relayStanding(feed, log))!.waitingSinceMs, waitingSinceMs);
  const told = look();
  await clock.advance(SECOND_MS);
  assert.equal(await told, problem);

  stop = startRelay();
  await clock.advance(10 * SECOND_MS);
  assert.deepEqual([one.health().state, one.health().problem], ['live', null]);
  assert.equal(counted(), 23);
  await stop();
});

test('topics that take long to answer where they end hide no progress, and nobody blames a relay that works', async (t) => {
  const { clock, startRelay, runner, append, isFed, log } = fedRunners(t);
  let endsMs = 0;
  const one = runner('one', true, () => endsMs);
  startRelay();
  await append();
  await clock.advance(10 * SECOND_MS);
  assert.ok(await isFed());

  endsMs = 9 * SECOND_MS;
  for (let appended = 1; appended <= 12 * 30; appended++) {
    await append();
    await clock.advance(2);
    // It is held for up to 35 ms: the log may be looked at meanwhile.
    await append();
    await clock.advance(291);
    const { problem, relayStandsAt } = one.health();
    assert.deepEqual([problem, relayStandsAt], [null, null]);
    if (appended % 30 !== 0) continue;
    await clock.advance(3 * SECOND_MS);
    assert.equal(one.health().position, (await log.head()).position);
    await clock.advance(20 * SECOND_MS);
  }
});

test('a relay that comes further is not said to stand, however far the clocks of those who write are behind', async (t) => {
  const { clock, log, feed, startRelay, append } = fedRunners(t);
  startRelay();
  await append();
  await clock.advance(10 * SECOND_MS);
  const ahead = { ...clock, now: () => clock.now() + 60 * SECOND_MS };
  const look = relayProblem({ feed, log, clock: ahead });
  await append();
  await clock.advance(1);
  // It waits up to 35 ms for the next transaction.
  await append();
  assert.notEqual((await relayStanding(feed, log))!.waitingSinceMs, null);
  const looking = look();
  await clock.advance(2 * SECOND_MS);
  assert.equal(await looking, null);
});

test('of those that Kafka feeds alone it is told what they wait for, and a Kafka that hangs is told within 3 s', async (t) => {
  const { clock, log, feed } = fedRunners(t);
  const revision = { projection: 'counts', halted: null } as unknown as Revision;
  const fed = { ...revision, feed: { generation: 1, partitions: 3 } };
  const halted = { ...fed, halted: 'the log was replaced' };
  const problems = async (of: readonly Revision[], look: () => Promise<string | null>) =>
    (await withProblem(of, look)).map(({ problem }) => problem);
  const followed = { ...revision, feed: null };
  const never = () => assert.fail('nobody asks');
  assert.deepEqual(await problems([followed, halted], never), [null, null]);
  assert.deepEqual(await problems([followed, fed, halted], async () => 'it stands'), [
    null,
    'it stands',
    null,
  ]);

  const hanging = relayProblem({ feed: { ...feed, ends: () => new Promise(() => {}) }, log, clock });
  const asked = Promise.all([hanging(), hanging()]);
  await clock.advance(3 * SECOND_MS);
  for (const told of await asked) assert.match(told!, /does not answer/);
});
