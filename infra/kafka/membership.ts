/** One membership of a consumer group, from joining to leaving. Offsets are kept elsewhere. */
import type { Consumer, EachBatchPayload, Kafka } from 'kafkajs';
import type { Clock } from '../../commands/clock.ts';
import type { Membership } from '../../projections/feed.ts';
import { type Partition, topicName } from '../../schemas/topics.ts';
import { within } from '../within.ts';
import { relayedOf } from './cloud-event.ts';

const SESSION_TIMEOUT_MS = 6_000;
/** A third of the session, as Kafka advises. */
const HEARTBEAT_EVERY_MS = 2_000;
const REBALANCE_TIMEOUT_MS = 10_000;
/** How long a broker holds an empty fetch: a heartbeat and a stop wait for its end. */
const MAX_WAIT_MS = 100;
const MAX_FETCH_BYTES = 8 * 1024 * 1024;
/** What they bring is committed together. */
const PARTITIONS_AT_ONCE = 64;
const LEAVE_TIMEOUT_MS = 10_000;

interface MembershipDeps {
  readonly kafka: Kafka;
  readonly prefix: string;
  readonly clock: Clock;
}

export async function consume(
  { kafka, prefix, clock }: MembershipDeps,
  membership: Membership,
): Promise<void> {
  const { signal, domains, generation } = membership;
  if (signal.aborted) return;
  const domainOf = new Map(
    domains.map((domain) => [topicName(prefix, domain, generation.generation), domain]),
  );
  const consumer: Consumer = kafka.consumer({
    // Platforms that share a broker are told apart by it, as in the names of topics.
    groupId: `${prefix}.${membership.group}`,
    sessionTimeout: SESSION_TIMEOUT_MS,
    heartbeatInterval: HEARTBEAT_EVERY_MS,
    rebalanceTimeout: REBALANCE_TIMEOUT_MS,
    maxWaitTimeInMs: MAX_WAIT_MS,
    minBytes: 1,
    maxBytes: MAX_FETCH_BYTES,
    allowAutoTopicCreation: false,
    // One that breaks is left, and the caller joins again.
    retry: { restartOnFailure: async () => false },
  });
  let over: (error?: unknown) => void = () => {};
  const ended = new Promise<void>((resolve, reject) => {
    over = (error) => (error === undefined ? resolve() : reject(error));
  });
  ended.catch(() => {});
  let leaving = false;
  const end = (error?: unknown) => {
    leaving = true;
    over(error);
  };
  const onAbort = () => end();
  signal.addEventListener('abort', onAbort, { once: true });

  /** Goes up with every assignment: what was begun under another is not delivered. */
  let assignment = 0;
  const ready = new Set<string>();
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    const own = ++assignment;
    ready.clear();
    const assigned = Object.entries(payload.memberAssignment).flatMap(([topic, partitions]) => {
      const domain = domainOf.get(topic);
      return domain === undefined ? [] : partitions.map((partition) => ({ topic, domain, partition }));
    });
    const ours = assigned.filter(({ partition }) => partition < generation.partitions);
    // At once: a seek behind an awaited load alone comes too late.
    for (const { topic, partition } of assigned) consumer.pause([{ topic, partitions: [partition] }]);
    void (async () => {
      const offsets = await membership.assigned(
        ours.map(({ domain, partition }): Partition => ({ domain, partition })),
      );
      if (own !== assignment || leaving) return;
      for (const { domain, partition, offset } of offsets) {
        const topic = topicName(prefix, domain, generation.generation);
        consumer.seek({ topic, partition, offset });
        ready.add(`${topic}/${partition}`);
        consumer.resume([{ topic, partitions: [partition] }]);
      }
    })().catch(end);
  });
  consumer.on(consumer.events.CRASH, ({ payload }) => end(payload.error));

  const eachBatch = async ({ batch, heartbeat, resolveOffset, isStale }: EachBatchPayload): Promise<void> => {
    const own = assignment;
    const delivered = () =>
      !leaving && own === assignment && ready.has(`${batch.topic}/${batch.partition}`) && !isStale();
    if (!delivered() || batch.messages.length === 0) return;
    // kafkajs asks for a heartbeat behind a batch only, however long it takes.
    let rebalancing: unknown = null;
    const beating = setInterval(() => {
      heartbeat().catch((error: unknown) => {
        rebalancing ??= error;
      });
    }, HEARTBEAT_EVERY_MS / 2);
    try {
      const partition = { domain: domainOf.get(batch.topic)!, partition: batch.partition };
      await membership.records(partition, batch.messages.map(relayedOf), batch.offsetLag() === '0');
      if (own === assignment) resolveOffset(batch.lastOffset());
    } catch (error) {
      end(error);
      return;
    } finally {
      clearInterval(beating);
    }
    if (rebalancing !== null && !leaving) throw rebalancing;
  };

  try {
    await Promise.race([consumer.connect(), ended]);
    if (!leaving) {
      await consumer.subscribe({ topics: [...domainOf.keys()], fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
        eachBatch,
      });
    }
    await ended;
  } finally {
    leaving = true;
    signal.removeEventListener('abort', onAbort);
    await within(clock, LEAVE_TIMEOUT_MS, 'leaving the consumer group', consumer.disconnect()).catch(
      () => {},
    );
  }
}
