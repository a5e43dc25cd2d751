/**
 * The feed's port over the broker in memory. Harder on its members than Kafka: a partition goes to its new
 * owner at once, while the old one may still be working on records of it.
 */
import type { Clock } from '../../commands/clock.ts';
import type { Feed, FeedEnds, Membership, NextOffset } from '../../projections/feed.ts';
import type { Generation, Partition, Relayed } from '../../schemas/topics.ts';
import type { GroupMember, MemoryConsumerGroup } from './memory-consumer-group.ts';

/** A fetch answers after this long without records. */
const FETCH_WAIT_MS = 500;
const HEARTBEAT_MS = 2_000;
const RETRY_MS = 100;

/** What a client of the broker can do for a consumer, effect by effect. */
export interface MemoryConsumer {
  group(name: string): MemoryConsumerGroup;
  standing(): Promise<FeedEnds | null>;
  /** Of every partition of the domains: an offset behind everything that is committed. */
  ends(domains: readonly string[], generation: Generation): Promise<readonly NextOffset[]>;
  fetch(
    wanted: readonly NextOffset[],
    generation: number,
  ): Promise<readonly (NextOffset & { readonly records: readonly Relayed[]; readonly live: boolean })[]>;
  /** Calls back when more may be readable, until the signal aborts. */
  onVisible(hint: () => void, signal: AbortSignal): void;
  /** True: a member that was thrown out joins again by itself; false: it ends. */
  rejoins(): boolean;
}

export function memoryFeed(consumer: MemoryConsumer, clock: Clock): Feed {
  const closed = new AbortController();
  const memberships = new Set<Promise<void>>();
  return {
    async ends(domains) {
      const standing = await consumer.standing();
      if (!standing) return null;
      return { ...standing, offsets: await consumer.ends(domains, standing) };
    },
    async generation() {
      const standing = await consumer.standing();
      return standing && { generation: standing.generation, partitions: standing.partitions };
    },
    async consume(membership) {
      const signal = AbortSignal.any([membership.signal, closed.signal]);
      const running = consume(consumer, clock, membership, signal);
      memberships.add(running);
      await running.finally(() => memberships.delete(running));
      if (!membership.signal.aborted) throw new Error('the connection to the broker is closed');
    },
    async close() {
      closed.abort();
      await Promise.allSettled(memberships);
    },
  };
}

async function consume(
  consumer: MemoryConsumer,
  clock: Clock,
  membership: Membership,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return;
  const group = consumer.group(membership.group);
  const ended = new AbortController();
  const wakeUp = { now: () => {} };
  const wake = () => wakeUp.now();
  const working = new Map<string, Promise<void>>();
  const failures: unknown[] = [];
  let member: GroupMember = group.join(partitionsOf(membership), clock.now());
  let epoch = -1;
  let next = new Map<string, NextOffset>();

  signal.addEventListener('abort', wake);
  consumer.onVisible(wake, ended.signal);
  void heartbeats();

  async function heartbeats(): Promise<void> {
    while (!ended.signal.aborted) {
      group.heartbeat(member, clock.now());
      await clock.sleep(HEARTBEAT_MS, ended.signal);
    }
  }

  /** What is worked on ends first; then the places are asked for anew, as often as the group moves. */
  async function settle(): Promise<void> {
    await Promise.all(working.values());
    if (!group.knows(member)) {
      if (!consumer.rejoins()) throw new Error('UNKNOWN_MEMBER_ID');
      member = group.join(partitionsOf(membership), clock.now());
    }
    epoch = group.epoch;
    const assigned = group.assignmentOf(member);
    const starts = await membership.assigned(assigned);
    next = new Map(starts.map((start) => [nameOf(start), start]));
  }

  function deliver(place: NextOffset, records: readonly Relayed[], live: boolean): void {
    const name = nameOf(place);
    const { domain, partition } = place;
    const work = membership
      .records({ domain, partition }, records, live)
      .catch((error: unknown) => {
        failures.push(error);
      })
      .finally(() => {
        working.delete(name);
        wake();
      });
    working.set(name, work);
  }

  async function fetch(): Promise<boolean> {
    const wanted = [...next.values()].filter((place) => !working.has(nameOf(place)));
    if (wanted.length === 0) return false;
    const fetched = await consumer.fetch(wanted, membership.generation.generation);
    if (signal.aborted || failures.length > 0) return false;
    let delivered = false;
    for (const { records, live, ...place } of fetched) {
      next.set(nameOf(place), place);
      if (records.length === 0) continue;
      delivered = true;
      deliver(place, records, live);
    }
    return delivered;
  }

  async function pause(ms: number): Promise<void> {
    const woken = new AbortController();
    wakeUp.now = () => woken.abort();
    await clock.sleep(ms, woken.signal);
    wakeUp.now = () => {};
  }

  try {
    while (!signal.aborted && failures.length === 0) {
      group.expire(clock.now());
      if (!group.knows(member) || group.epoch !== epoch) {
        await settle();
        continue;
      }
      const delivered = await fetch().catch(() => null);
      if (delivered === null) await pause(RETRY_MS);
      else if (!delivered && failures.length === 0 && !signal.aborted) await pause(FETCH_WAIT_MS);
    }
    await Promise.all(working.values());
    if (failures.length > 0) throw failures[0];
  } finally {
    ended.abort();
    signal.removeEventListener('abort', wake);
    group.leave(member);
  }
}

function partitionsOf({ domains, generation }: Membership): readonly Partition[] {
  return domains.flatMap((domain) =>
    Array.from({ length: generation.partitions }, (_, partition) => ({ domain, partition })),
  );
}

function nameOf({ domain, partition }: Partition): string {
  return `${domain}/${partition}`;
}
