/** What the contract of the feed stands on: topics that a relay has filled, and members that keep what they see. */
import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import type { Feed, Membership } from '../../projections/feed.ts';
import type { Partition, Relayed } from '../../schemas/topics.ts';
import type { RelayTopics } from '../../workers/relay-topics.ts';
import { home, outgoing, PARTITIONS, placeOf, recordAt } from './relayed-fixtures.ts';

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

export const generation = { generation: 1, partitions: PARTITIONS };
export const other: Partition = { ...home, partition: 0 };
export const all = ['keys/0', 'keys/1'];

/** Topics in which a relay has written the events 1 to n, each in a transaction of its own. */
export async function filled<O extends OpenedFeed>(
  t: TestContext,
  { open }: { open(t: TestContext): Promise<O> },
  n: number,
) {
  const opened = await open(t);
  const relay = opened.relayTopics();
  await relay.takeOver();
  await relay.commit([], recordAt(0));
  const write = async (from: number, through: number) => {
    for (let i = from; i <= through; i++) await relay.commit([outgoing(i, i - 1)], recordAt(i));
  };
  await write(1, n);
  const group = `readers-${randomUUID()}`;
  const member = (start: Start, work?: () => Promise<void>) => memberOf(t, opened.feed(), group, start, work);
  return { ...opened, relay, group, write, member };
}

export const fromTheStart: Membership['assigned'] = async (partitions) =>
  partitions.map((at) => ({ ...at, offset: '0' }));

/** A promise, and what resolves it. */
export function gate(): readonly [Promise<void>, () => void] {
  const { promise, resolve } = Promise.withResolvers<void>();
  return [promise, resolve];
}

export function same(a: readonly string[], b: readonly string[]): boolean {
  return JSON.stringify([...a].sort()) === JSON.stringify(b);
}

export type Start = (
  partitions: readonly Partition[],
) => ReturnType<Membership['assigned']> | Awaited<ReturnType<Membership['assigned']>>;

/** A member that keeps what it sees, and leaves after the test. */
export function memberOf(
  t: TestContext,
  feed: Feed,
  group: string,
  start: Start,
  work: () => Promise<void> = async () => {},
) {
  const stop = new AbortController();
  const busy = new Map<number, number>();
  let asking = 0;
  const reader = {
    seen: [] as Relayed[],
    owned: [] as string[],
    /** How often it was asked where to start, and of that at once. */
    asked: 0,
    askedAtOnce: 0,
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
      asking += 1;
      reader.askedAtOnce = Math.max(reader.askedAtOnce, asking);
      reader.owned = partitions.map(({ domain, partition }) => `${domain}/${partition}`).sort();
      try {
        return await start(partitions);
      } finally {
        asking -= 1;
      }
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
