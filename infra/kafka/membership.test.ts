/** What memberships on Kafka do that the contract of the feed leaves open: the waits, and their bounds. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { all, filled, fromTheStart, gate, same } from '../../test/contracts/feed-fixtures.ts';
import { fakeClock } from '../../test/support/fake-clock.ts';
import { openKafkaFeed } from '../../test/support/kafka-feed.ts';
import { until } from '../../test/support/platform-process.ts';
import { without } from '../../test/support/servers.ts';
import { systemClock } from '../system-clock.ts';

const SESSION_MS = 6_000;

/** Topics with one event, and a member that works on it until the gate opens. */
async function atWork(t: TestContext, feedClock = systemClock) {
  const opened = await filled(t, { open: (own) => openKafkaFeed(own, { feedClock }) }, 1);
  const [worked, work] = gate();
  const reader = opened.member(fromTheStart, () => worked);
  await until('it works', () => reader.seen.length > 0);
  return { ...opened, reader, work, size: () => opened.members(opened.group) };
}

describe('memberships on Kafka', { skip: without('kafka'), concurrency: true }, () => {
  test('an end waits for the work in hand, up to half a minute', async (t) => {
    const time = fakeClock();
    const { reader, work } = await atWork(t, time);
    let left = false;
    const leaving = reader.leave().then(() => {
      left = true;
    });
    await until('the end waits', () => time.sleepers() > 0);
    await time.advance(29_000);
    assert.equal(left, false);
    work();
    await leaving;
  });

  test('work that outlasts the end is left behind, and others get its partitions when its session ends', async (t) => {
    const time = fakeClock();
    const { member, write } = await filled(t, { open: (own) => openKafkaFeed(own, { feedClock: time }) }, 0);
    const [worked, work] = gate();
    const members = [member(fromTheStart, () => worked), member(fromTheStart, () => worked)];
    const owned = () => members.map((one) => one.owned.length);
    await until('each has one', () => owned().join() === '1,1');
    await write(1, 1);
    await until('one works', () => members.some((one) => one.seen.length > 0));
    const [heir, busy] = members.sort((a, b) => a.seen.length - b.seen.length);
    const leaving = busy!.leave();
    await until('the end waits for the work', () => time.sleepers() > 0);
    await time.advance(31_000);
    await until('it waits for the group', () => time.sleepers() > 0);
    await time.advance(9_000);
    await leaving;
    await until('the other has both', () => same(heir!.owned, all));
    work();
  });

  test('an end while it joins for the first time leaves no member behind', async (t) => {
    const { reader, work, size, member } = await atWork(t);
    const second = member(fromTheStart);
    // It joins once the first, which works, has joined again.
    await until('it joins', async () => (await size()) === 2);
    const leaving = second.leave();
    work();
    await leaving;
    assert.equal(await size(), 1);
    assert.equal(second.asked, 0);
    await until('the first has both again', () => same(reader.owned, all));
  });

  test('one that works for longer than its session stays a member', async (t) => {
    const { reader, work, size, write } = await atWork(t);
    await systemClock.sleep(SESSION_MS + 1_500);
    assert.equal(await size(), 1);
    work();
    await write(2, 3);
    await until('it goes on', () => reader.places.includes('3'));
    assert.deepEqual([reader.places, reader.asked], [['1', '2', '3'], 1]);
  });
});
