/**
 * Kafka in memory, as far as the relay and the feed use it: transactions with fencing, a compacted position
 * topic, consumer groups. It can fail in the ways a real one can. For tests and the simulation; every
 * process of a test connects on its own.
 */
import type { Clock } from '../../commands/clock.ts';
import type { Feed } from '../../projections/feed.ts';
import { type Generation, type Partition, type Relayed, topicDomains } from '../../schemas/topics.ts';
import type { Outgoing, RelayRecord, RelayTopics } from '../../workers/relay-topics.ts';
import { MemoryConsumerGroup } from './memory-consumer-group.ts';
import { MemoryCoordinator } from './memory-coordinator.ts';
import { type MemoryConsumer, memoryFeed } from './memory-feed.ts';
import { MemoryPartition } from './memory-partition.ts';
import { type MemoryProducer, memoryRelayTopics, type PositionRecord } from './memory-relay-topics.ts';

/** Most records of a partition in one fetch. */
const FETCHED_RECORDS = 5;

type Turn = (label: string) => Promise<void>;

export interface MemoryBrokerOptions {
  readonly clock: Clock;
  /** The broker's own pace: awaited before each control record. */
  readonly turn?: Turn;
  /** A whole number in [0, n): who gets a partition, which control record is written first. */
  readonly pick?: (n: number) => number;
}

export interface MemoryBroker {
  /**
   * One process' client. `turn` is awaited before each effect (`relay.commit`) and before each answer
   * (`relay.commit.answer`): a scheduler interleaves here.
   */
  connect(options?: { readonly turn?: Turn; readonly clock?: Clock }): MemoryBrokerConnection;
  /** What a reader of what is committed finds in a partition from its earliest offset on, without a turn. */
  committed(generation: number, partition: Partition): readonly Relayed[];
  /** The relay's last committed record, without a turn. */
  record(): RelayRecord | null;
  topics(): readonly (Generation & { readonly domain: string })[];
  groups(): readonly MemoryConsumerGroup[];
  /** False while a decided transaction has not got all of its control records. */
  settled(): boolean;
  /** Calls back whenever more may be readable. */
  onVisible(hint: () => void): () => void;
  /** The next `n` commits take effect and their answers are lost. */
  loseCommits(n: number): void;
  /** The next `n` calls of any kind fail before they do anything. */
  failCalls(n: number): void;
  /** A restart: what is under way loses its connection, whether it has taken effect or not. */
  restart(): void;
  /** While it is away, every call fails before it does anything. */
  setAway(away: boolean): void;
  /** Retention: of a partition only what lies at or behind the offset stays. */
  trim(generation: number, partition: Partition, offset: number): void;
  /** It stays away until the relay makes it anew; the offsets then begin at 0. */
  deleteTopic(generation: number, domain: string): void;
  deletePositionTopic(): void;
  compact(): void;
}

export interface MemoryBrokerConnection {
  readonly producer: MemoryProducer;
  relayTopics(): RelayTopics;
  feed(): Feed;
  /** Every later call fails. What is open stays open: nobody tells the broker. */
  crash(): void;
}

interface Topic extends Generation {
  readonly domain: string;
  readonly logs: readonly MemoryPartition<Outgoing>[];
}

export function memoryBroker(options: MemoryBrokerOptions): MemoryBroker {
  const { clock, turn: brokerTurn = () => Promise.resolve(), pick = () => 0 } = options;
  const topics = new Map<string, Topic>();
  const groups = new Map<string, MemoryConsumerGroup>();
  const hints = new Set<() => void>();
  let positions = new MemoryPartition<PositionRecord>();
  let markers = 0;
  let commitsToLose = 0;
  let callsToFail = 0;
  let restarts = 0;
  let away = false;
  const visible = () => {
    for (const hint of [...hints]) hint();
  };
  const coordinator = new MemoryCoordinator({ clock, turn: brokerTurn, pick, visible });

  const topicOf = (generation: number, domain: string): Topic => {
    const topic = topics.get(`${domain}.${generation}`);
    if (!topic) throw new Error(`UNKNOWN_TOPIC_OR_PARTITION: ${domain}.${generation}`);
    return topic;
  };
  const logOf = (generation: number, { domain, partition }: Partition) => {
    const log = topicOf(generation, domain).logs[partition];
    if (!log) throw new Error(`UNKNOWN_TOPIC_OR_PARTITION: ${domain}.${generation}/${partition}`);
    return log;
  };
  const lastRecord = () => {
    const last = positions.committed.findLast((value) => value.key === 'record');
    return last?.key === 'record' ? last.record : null;
  };

  const connect: MemoryBroker['connect'] = (connected = {}) => {
    const turn = connected.turn ?? (() => Promise.resolve());
    const ownClock = connected.clock ?? clock;
    const died = new AbortController();
    let crashed = false;
    const call = async <R>(label: string, effect: () => R): Promise<R> => {
      const before = restarts;
      const cut = () => crashed || restarts !== before;
      await turn(label);
      if (cut() || away) throw new Error(`the broker could not be reached: ${label}`);
      if (callsToFail > 0) {
        callsToFail -= 1;
        throw new Error(`the broker could not be reached: ${label}`);
      }
      coordinator.expire();
      const answer = effect();
      await turn(`${label}.answer`);
      if (cut()) throw new Error(`the connection was lost: ${label}`);
      return answer;
    };
    return {
      get producer() {
        return connectProducer(call);
      },
      relayTopics: () => memoryRelayTopics(connectProducer(call), ownClock),
      feed: () => memoryFeed(connectConsumer(call, died.signal), ownClock),
      crash() {
        crashed = true;
        died.abort();
      },
    };
  };

  const connectProducer = (call: <R>(label: string, effect: () => R) => Promise<R>): MemoryProducer => {
    let epoch = -1;
    return {
      async init() {
        for (;;) {
          const answer = await call('relay.init', () => coordinator.initProducer());
          if ('epoch' in answer) {
            epoch = answer.epoch;
            return;
          }
          await answer.wait;
        }
      },
      async writePosition(record) {
        await coordinator.finishing();
        await call('relay.write-position', () =>
          coordinator.write(epoch, positions, [structuredClone(record)]),
        );
      },
      async write(generation, records) {
        await coordinator.finishing();
        await call('relay.write', () => {
          for (const { domain, partition } of records) logOf(generation, { domain, partition });
          for (const record of records) {
            coordinator.write(epoch, logOf(generation, record), [record]);
          }
        });
      },
      async commit() {
        await call('relay.commit', () => coordinator.commit(epoch));
        if (commitsToLose > 0) {
          commitsToLose -= 1;
          throw new Error('the answer to the commit was lost');
        }
      },
      async makeTopics(generation, partitions) {
        await call('relay.make-topics', () => {
          for (const domain of Object.keys(topicDomains)) {
            const name = `${domain}.${generation}`;
            const stands = topics.get(name)?.partitions ?? partitions;
            if (stands < partitions) throw new Error(`${name} has ${stands} partitions, not ${partitions}`);
            if (topics.has(name)) continue;
            const logs = Array.from({ length: partitions }, () => new MemoryPartition<Outgoing>());
            topics.set(name, { domain, generation, partitions, logs });
          }
        });
      },
      // An empty fetch does not mean that nothing more is there.
      readPosition: (from) =>
        call('relay.read-position', () => positions.fetch(from, FETCHED_RECORDS - pick(FETCHED_RECORDS + 1))),
      positionEnd: () => call('relay.position-end', () => positions.end),
      holdsRecords: () =>
        call('relay.holds-records', () =>
          [...topics.values()].some(({ logs }) => logs.some((log) => log.committed.length > 0)),
        ),
      lastGeneration: () =>
        call('relay.last-generation', () =>
          Math.max(0, ...[...topics.values()].map(({ generation }) => generation)),
        ),
      newMarker() {
        markers += 1;
        return markers;
      },
    };
  };

  const connectConsumer = (
    call: <R>(label: string, effect: () => R) => Promise<R>,
    died: AbortSignal,
  ): MemoryConsumer => ({
    group(name) {
      const group = groups.get(name) ?? new MemoryConsumerGroup(pick, visible);
      groups.set(name, group);
      return group;
    },
    standing: () =>
      call('feed.standing', () => {
        const record = lastRecord();
        if (!record) return null;
        const { generation, partitions, bookmark } = record;
        return { generation, partitions, relayed: bookmark, offsets: [] };
      }),
    ends: (domains, { generation, partitions }) =>
      call('feed.ends', () =>
        domains.flatMap((domain) =>
          topicOf(generation, domain)
            .logs.slice(0, partitions)
            .map((log, partition) => ({
              domain,
              partition,
              // What is open may count or not: it is behind the log's head to be read all the same.
              offset: String(pick(2) === 0 ? log.end : log.stable),
            })),
        ),
      ),
    fetch: (wanted, generation) =>
      call('feed.fetch', () =>
        wanted.flatMap((place) => {
          const log = topics.get(`${place.domain}.${generation}`)?.logs[place.partition];
          if (!log) return [];
          const { records, next } = log.fetch(Number(place.offset), 1 + pick(FETCHED_RECORDS));
          return [
            { ...place, offset: String(next), records: records.map(relayed), live: next >= log.stable },
          ];
        }),
      ),
    onVisible(hint, signal) {
      hints.add(hint);
      // The dead are not woken: they would join again.
      for (const end of [signal, died])
        end.addEventListener('abort', () => hints.delete(hint), { once: true });
    },
    rejoins: () => pick(2) === 0,
  });

  return {
    connect,
    committed: (generation, partition) =>
      logOf(generation, partition).fetch(0, Number.MAX_SAFE_INTEGER).records.map(relayed),
    record: lastRecord,
    topics: () =>
      [...topics.values()].map(({ domain, generation, partitions }) => ({ domain, generation, partitions })),
    groups: () => [...groups.values()],
    settled: () => coordinator.finishing() === null,
    onVisible(hint) {
      hints.add(hint);
      return () => hints.delete(hint);
    },
    loseCommits(n) {
      commitsToLose += n;
    },
    failCalls(n) {
      callsToFail += n;
    },
    restart() {
      restarts += 1;
      visible();
    },
    setAway(is) {
      away = is;
    },
    trim: (generation, partition, offset) => logOf(generation, partition).trim(offset),
    deleteTopic(generation, domain) {
      topics.delete(`${domain}.${generation}`);
    },
    deletePositionTopic() {
      positions = new MemoryPartition();
    },
    compact() {
      positions.compact(({ key }) => key);
    },
  };
}

function relayed({ offset, value }: { readonly offset: number; readonly value: Outgoing }): Relayed {
  const { bookmark, predecessor, event } = value;
  return { offset: String(offset), bookmark, predecessor, event };
}
