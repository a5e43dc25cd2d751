/**
 * The contract of the feed. An adapter inherits it in a few lines:
 *
 *     feedContract('the feed of X', { open: async (t) => ({ feed: () => …, relayTopics: () => …, … }) });
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Feed, FeedEnds } from '../../projections/feed.ts';
import { until } from '../support/platform-process.ts';
import { type FeedContractOptions, filled, fromTheStart, gate, generation } from './feed-fixtures.ts';
import { feedMembersContract } from './feed-members.ts';
import {
  asWritten,
  bookmarkOf,
  home,
  outgoing,
  positionOf,
  recordAt,
  watermark,
} from './relayed-fixtures.ts';

export function feedContract(name: string, options: FeedContractOptions): void {
  describe(name, { skip: options.skip ?? false, concurrency: true }, () => {
    test('before any relay has committed, nothing stands', async (t) => {
      const feed = (await options.open(t)).feed();
      assert.equal(await feed.ends(['keys']), null);
      assert.equal(await feed.generation(), null);
    });

    test('the ends lie behind everything that is committed, and before everything that comes', async (t) => {
      const { member, feed, write, relayTopics } = await filled(t, options, 3);
      const one = feed();
      // What is committed can be read a little later.
      await until('it is read', async () => (await one.ends([]))?.relayed.position === positionOf(3));
      const ends = await endsOf(one, ['keys', 'owners']);
      assert.deepEqual({ ...ends, offsets: null }, { ...generation, relayed: bookmarkOf(3), offsets: null });
      assert.deepEqual(ends.offsets.map(({ domain, partition }) => `${domain}/${partition}`).sort(), [
        'keys/0',
        'keys/1',
        'owners/0',
        'owners/1',
      ]);
      await write(4, 5);
      const reader = member((partitions) =>
        partitions.map(
          (at) => ends.offsets.find((end) => end.domain === at.domain && end.partition === at.partition)!,
        ),
      );
      await until('both have come', () => reader.places.length >= 2);
      assert.deepEqual(reader.places, ['4', '5']);
      await relayTopics().takeOver();
      assert.deepEqual(
        (await one.ends(['keys']))!.relayed,
        bookmarkOf(5),
        'markers and control records aside',
      );
    });

    test('a generation that begins is told', async (t) => {
      const { feed, relay } = await filled(t, options, 1);
      const one = feed();
      assert.deepEqual(await one.generation(), generation);
      await relay.commit([], recordAt(1, { generation: 2, partitions: 5 }));
      const wider = JSON.stringify({ generation: 2, partitions: 5 });
      await until('it is read', async () => JSON.stringify(await one.generation()) === wider);
      assert.equal((await endsOf(one, ['keys'])).offsets.length, 5);
    });

    test('records come in order and exact, watermarks too, from the offset that was answered', async (t) => {
      const { member, relay } = await filled(t, options, 0);
      const written = [outgoing(1, 0), outgoing(2, 1), watermark(3, 2), outgoing(4, 3)];
      await relay.commit(written, recordAt(4));
      const whole = member(fromTheStart);
      await until('all have come', () => whole.seen.length >= 4);
      assert.deepEqual(whole.seen.map(asWritten), written.map(asWritten));
      await until('the last are the last', () => whole.live);
      await whole.leave();
      const { offset } = whole.seen[2]!;
      const rest = member((partitions) => partitions.map((at) => ({ ...at, offset })));
      await until('the rest has come', () => rest.seen.length >= 2);
      assert.deepEqual(rest.places, ['3w', '4']);
    });

    test('nothing is delivered before it is answered where to start', async (t) => {
      const { member, write } = await filled(t, options, 3);
      const [answered, answer] = gate();
      const reader = member(async (partitions) => {
        await answered;
        return partitions.map((at) => ({ ...at, offset: at.partition === home.partition ? '4' : '0' }));
      });
      await until('it is asked', () => reader.asked > 0);
      await write(4, 4);
      assert.deepEqual(reader.places, []);
      answer();
      await until('the last has come', () => reader.places.includes('4'));
      assert.deepEqual(
        reader.places,
        ['3', '4'],
        'two records and their control records lie before offset 4',
      );
    });

    test('what a transaction that was aborted has written never shows', async (t) => {
      const { member, relay, relayTopics, write } = await filled(t, options, 1);
      await relayTopics().takeOver();
      await assert.rejects(relay.commit([outgoing(2, 1, { version: 99 })], recordAt(2)));
      await relay.takeOver();
      await write(2, 3);
      const reader = member(fromTheStart);
      await until('all have come', () => reader.seen.length >= 3);
      assert.deepEqual(
        reader.seen.map(({ event }) => event!.version),
        [1, 2, 3],
      );
    });

    test('an offset that was trimmed away is taken for the earliest that is kept', async (t) => {
      const { member, trim } = await filled(t, options, 5);
      await trim(1, home, '6');
      const reader = member((partitions) => partitions.map((at) => ({ ...at, offset: '2' })));
      await until('the rest has come', () => reader.places.includes('5'));
      assert.deepEqual(reader.places, ['4', '5']);
    });

    test('an offset behind the end of a topic that was made anew is taken for its earliest', async (t) => {
      const { member, relay, deleteTopic, write } = await filled(t, options, 5);
      await deleteTopic(1, 'keys');
      await relay.takeOver();
      await write(6, 6);
      const reader = member((partitions) => partitions.map((at) => ({ ...at, offset: '10' })));
      await until('it has come', () => reader.places.includes('6'));
      assert.deepEqual(reader.places, ['6']);
    });

    feedMembersContract(options);
  });
}

/** Asks until it is told: partitions that were just made have a leader that does not know it yet. */
async function endsOf(feed: Feed, domains: readonly string[]): Promise<FeedEnds> {
  let ends: FeedEnds | null = null;
  await until('the ends can be read', async () => {
    ends = await feed.ends(domains).catch(() => null);
    return ends !== null;
  });
  return ends!;
}
