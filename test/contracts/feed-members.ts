/** The part of the feed's contract that says whose partitions are whose, and how members come and go. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { until } from '../support/platform-process.ts';
import {
  all,
  type FeedContractOptions,
  filled,
  fromTheStart,
  gate,
  memberOf,
  other,
  same,
} from './feed-fixtures.ts';
import { outgoing, recordAt } from './relayed-fixtures.ts';

export function feedMembersContract(options: FeedContractOptions): void {
  test('a partition is one member’s, and goes to another when that one leaves', async (t) => {
    const { member, relay } = await filled(t, options, 0);
    const [first, second] = [member(fromTheStart), member(fromTheStart)];
    const owned = () => [first.owned, second.owned].flat().sort();
    await until('both are members', () => first.asked > 0 && second.asked > 0 && same(owned(), all));
    await first.leave();
    await until('the other has both', () => same(second.owned, all));
    await relay.commit([outgoing(1, 0), outgoing(2, 0, {}, other)], recordAt(2));
    await until('it reads both', () => same([...second.places].sort(), ['1', '2']));
    assert.deepEqual(first.places, []);
  });

  test('one call at a time for a partition, and while it works the signal waits for it', async (t) => {
    const { member, write } = await filled(t, options, 2);
    const [worked, work] = gate();
    const reader = member(fromTheStart, () => worked);
    await until('it works', () => reader.seen.length > 0);
    await write(3, 4);
    const before = reader.seen.length;
    let left = false;
    const leaving = reader.leave().then(() => {
      left = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(left, false);
    work();
    await leaving;
    assert.equal(reader.seen.length, before, 'nothing is delivered behind the signal');
    assert.equal(reader.atOnce, 1);
  });

  test('a member that joins gets partitions, and who had them gets nothing of them any more', async (t) => {
    const { member, relay } = await filled(t, options, 0);
    const first = member(fromTheStart);
    await until('it has both', () => same(first.owned, all));
    const second = member(fromTheStart);
    const shared = () => first.owned.length === 1 && same([...first.owned, ...second.owned], all);
    await until('each has one', shared);
    await relay.commit([outgoing(1, 0), outgoing(2, 0, {}, other)], recordAt(2));
    await until('both are read', () => first.seen.length + second.seen.length >= 2);
    const [keys] = first.owned;
    assert.deepEqual(first.places, [keys === 'keys/1' ? '1' : '2']);
    assert.deepEqual(second.places, [keys === 'keys/1' ? '2' : '1']);
  });

  test('one call at a time asks where to start, and the answers of an earlier one are dropped', async (t) => {
    const { feed, member, relay } = await filled(t, options, 0);
    await relay.commit([outgoing(1, 0), outgoing(2, 0, {}, other)], recordAt(2));
    const [[early, answerEarly], [late, answerLate]] = [gate(), gate()];
    const first = member(async (partitions) => {
      const isEarly = first.asked === 1;
      await (isEarly ? early : late);
      return partitions.map((at) => ({ ...at, offset: isEarly ? '0' : '2' }));
    });
    await until('it is asked', () => first.asked > 0);
    const second = member(fromTheStart);
    await until('the other has a part', () => second.owned.length === 1);
    answerEarly();
    await until('it is asked again', () => first.asked === 2);
    const bystander = memberOf(t, feed(), `bystanders-${randomUUID()}`, fromTheStart);
    await until('a member of another group has read all', () => bystander.seen.length === 2);
    assert.deepEqual([first.places, first.askedAtOnce], [[], 1]);
    answerLate();
    await relay.commit([outgoing(3, 1), outgoing(4, 2, {}, other)], recordAt(4));
    await until('it reads', () => first.seen.length > 0);
    assert.deepEqual(first.places, [first.owned[0] === 'keys/1' ? '3' : '4']);
  });

  test('closing the feed ends its memberships', async (t) => {
    const { feed, relayTopics } = await options.open(t);
    const relay = relayTopics();
    await relay.takeOver();
    await relay.commit([], recordAt(0));
    const one = feed();
    const reader = memberOf(t, one, `readers-${randomUUID()}`, fromTheStart);
    await until('it is asked', () => reader.asked > 0);
    await one.close();
    await assert.rejects(reader.ended, /closed/);
  });

  for (const what of ['assigned', 'records'] as const) {
    test(`what ${what} throws ends the membership, and another takes the partitions`, async (t) => {
      const { member } = await filled(t, options, 1);
      const gap = async () => Promise.reject(new Error('a gap'));
      const failing = what === 'assigned' ? member(gap) : member(fromTheStart, gap);
      await assert.rejects(failing.ended, /a gap/);
      const reader = member(fromTheStart);
      await until('it has them', () => reader.places.includes('1'));
      assert.ok(failing.places.length <= 1);
    });
  }
}
