/**
 * The contract of the feed. An adapter inherits it in a few lines:
 *
 *     feedContract('the feed of X', { open: async (t) => ({ feed: () => …, relayTopics: () => …, … }) });
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, type TestContext, test } from 'node:test';
import type { Feed, FeedEnds, Membership } from '../../projections/feed.ts';
import type { Partition, Relayed } from '../../schemas/topics.ts';
import type { RelayTopics } from '../../workers/relay-topics.ts';
import { until } from '../support/platform-process.ts';
import {
  asWritten,
  bookmarkOf,
  home,
  outgoing,
  PARTITIONS,
  placeOf,
  positionOf,
  recordAt,
  watermark,
} from './relayed-fixtures.ts';

export interface OpenedFeed {
  /** As each time another process has it, closed after the test. */
  feed(): Feed;
  relayTopics(): RelayTopics;
  deleteTopic(generation: number, domain: string): Promise<void>;
  trim(generation: number, partition: Partition, offset: string): Promise<void>;
}

export interface FeedContractOptions {
  /** Topics of a prefix that nobody has used. */
  open(t: TestContext): Promise<OpenedFeed>;
  readonly skip?: string | false;
}

const other: Partition = { ...home, partition: 0 };
const generation = { generation: 1, partitions: PARTITIONS };

export function feedContract(name: string, { open, skip = false }: FeedContractOptions): void {
  /** Topics in which a relay has written the events 1 to n, each in a transaction of its own. */
  const filled = async (t: TestContext, n: number) => {
    const opened = await open(t);
    const relay = opened.relayTopics();
    await relay.takeOver();
    await relay.commit([], recordAt(0));
    const write = async (from: number, through: number) => {
      for (let i = from; i <= through; i++) await relay.commit([outgoing(i, i - 1)], recordAt(i));
    };
    await write(1, n);
    const group = `readers-${randomUUID()}`;
    const member = (start: Start, work?: () => Promise<void>) =>
      memberOf(t, opened.feed(), group, start, work);
    return { ...opened, relay, write, member };
  };

  describe(name, { skip }, () => {
    test('before any relay has committed, nothing stands', async (t) => {
      const feed = (await open(t)).feed();
      assert.equal(await feed.ends(['keys']), null);
      assert.equal(await feed.generation(), null);
    });

    test('the ends lie behind everything that is committed, and before everything that comes', async (t) => {
      const { member, feed, write, relayTopics } = await filled(t, 3);
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
      const { feed, relay } = await filled(t, 1);
      const one = feed();
      assert.deepEqual(await one.generation(), generation);
      await relay.commit([], recordAt(1, { generation: 2, partitions: 5 }));
      const wider = JSON.stringify({ generation: 2, partitions: 5 });
      await until('it is read', async () => JSON.stringify(await one.generation()) === wider);
      assert.equal((await endsOf(one, ['keys'])).offsets.length, 5);
    });

    test('records come in order and exact, watermarks too, from the offset that was answered', async (t) => {
      const { member, relay } = await filled(t, 0);
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
      const { member, write } = await filled(t, 3);
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
      const { member, relay, relayTopics, write } = await filled(t, 1);
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

    test('a partition is one member’s, and goes to another when that one leaves', async (t) => {
      const { member, relay } = await filled(t, 0);
      const [first, second] = [member(fromTheStart), member(fromTheStart)];
      const owned = () => [first.owned, second.owned].flat().sort();
      const all = ['keys/0', 'keys/1'];
      await until('both are members', () => first.asked > 0 && second.asked > 0 && same(owned(), all));
      await first.leave();
      await until('the other has both', () => same(second.owned, all));
      await relay.commit([outgoing(1, 0), outgoing(2, 0, {}, other)], recordAt(2));
      await until('it reads both', () => same([...second.places].sort(), ['1', '2']));
      assert.deepEqual(first.places, []);
    });

    test('one call at a time for a partition, and while it works the signal waits for it', async (t) => {
      const { member, write } = await filled(t, 2);
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

    for (const what of ['assigned', 'records'] as const) {
      test(`what ${what} throws ends the membership, and another takes the partitions`, async (t) => {
        const { member } = await filled(t, 1);
        const gap = async () => Promise.reject(new Error('a gap'));
        const failing = what === 'assigned' ? member(gap) : member(fromTheStart, gap);
        await assert.rejects(failing.ended, /a gap/);
        const reader = member(fromTheStart);
        await until('it has them', () => reader.places.includes('1'));
        assert.ok(failing.places.length <= 1);
      });
    }

    test('an offset that was trimmed away is taken for the earliest that is kept', async (t) => {
      const { member, trim } = await filled(t, 5);
      await trim(1, home, '6');
      const reader = member((partitions) => partitions.map((at) => ({ ...at, offset: '2' })));
      await until('the rest has come', () => reader.places.includes('5'));
      assert.deepEqual(reader.places, ['4', '5']);
    });

    test('an offset behind the end of a topic that was made anew is taken for its earliest', async (t) => {
      const { member, relay, deleteTopic, write } = await filled(t, 5);
      await deleteTopic(1, 'keys');
      await relay.takeOver();
      await write(6, 6);
      const reader = member((partitions) => partitions.map((at) => ({ ...at, offset: '10' })));
      await until('it has come', () => reader.places.includes('6'));
      assert.deepEqual(reader.places, ['6']);
    });
  });
}

const fromTheStart: Membership['assigned'] = async (partitions) =>
  partitions.map((at) => ({ ...at, offset: '0' }));

/** Asks until it is told: partitions that were just made have a leader that does not know it yet. */
async function endsOf(feed: Feed, domains: readonly string[]): Promise<FeedEnds> {
  let ends: FeedEnds | null = null;
  await until('the ends can be read', async () => {
    ends = await feed.ends(domains).catch(() => null);
    return ends !== null;
  });
  return ends!;
}

/** A promise, and what resolves it. */
function gate(): readonly [Promise<void>, () => void] {
  const { promise, resolve } = Promise.withResolvers<void>();
  return [promise, resolve];
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return JSON.stringify([...a].sort()) === JSON.stringify(b);
}

type Start = (
  partitions: readonly Partition[],
) => ReturnType<Membership['assigned']> | Awaited<ReturnType<Membership['assigned']>>;

/** A member that keeps what it sees, and leaves after the test. */
function memberOf(
  t: TestContext,
  feed: Feed,
  group: string,
  start: Start,
  work: () => Promise<void> = async () => {},
) {
  const stop = new AbortController();
  const busy = new Map<number, number>();
  const reader = {
    seen: [] as Relayed[],
    owned: [] as string[],
    /** How often it was asked where to start. */
    asked: 0,
    live: false,
    /** Most calls for one partition at once. */
    atOnce: 0,
    get places() {
      return reader.seen.map(placeOf);
    },
    ended: Promise.resolve(),
    async leave() {
      stop.abort();
      await reader.ended;
    },
  };
  reader.ended = feed.consume({
    group,
    domains: ['keys'],
    generation,
    signal: stop.signal,
    async assigned(partitions) {
      reader.asked += 1;
      reader.owned = partitions.map(({ domain, partition }) => `${domain}/${partition}`).sort();
      return start(partitions);
    },
    async records({ partition }, records, live) {
      const now = (busy.get(partition) ?? 0) + 1;
      busy.set(partition, now);
      reader.atOnce = Math.max(reader.atOnce, now);
      reader.seen.push(...records);
      if (records.at(-1)) reader.live = live;
      try {
        await work();
      } finally {
        busy.set(partition, now - 1);
      }
    },
  });
  reader.ended.catch(() => {});
  t.after(() => reader.leave().catch(() => {}));
  return reader;
}
