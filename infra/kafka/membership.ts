/** One membership of a consumer group, from joining to leaving. Offsets are kept elsewhere. */
import type { Consumer, EachBatchPayload, Kafka } from 'kafkajs';
import type { Clock } from '../../commands/clock.ts';
import type { Membership } from '../../projections/feed.ts';
import { type Partition, topicName } from '../../schemas/topics.ts';
import { within } from '../within.ts';
import { relayedOf } from './cloud-event.ts';
import { assignerThatTells, groupIdOf } from './member-process.ts';

const SESSION_TIMEOUT_MS = 6_000;
/** A third of the session, as Kafka advises. */
const HEARTBEAT_EVERY_MS = 2_000;
/** How long work in hand may hold up a rebalance: then others get its partitions, and its places fence it. */
const REBALANCE_TIMEOUT_MS = 6_000;
/** How long a broker holds an empty fetch: a heartbeat and a stop wait for its end. */
const MAX_WAIT_MS = 100;
const MAX_FETCH_BYTES = 8 * 1024 * 1024;
/** What they bring is committed together. */
const PARTITIONS_AT_ONCE = 64;
/**
 * An end waits so long for the work in hand. What outlasts it is left behind: the member goes silent, others
 * get its partitions when the session ends, and its places fence what it still commits.
 */
const WORK_TIMEOUT_MS = 30_000;
/** Joining lasts as long as a rebalance at most, and only who has joined can leave. */
const LEAVE_TIMEOUT_MS = REBALANCE_TIMEOUT_MS + 2_000;
/** To a broker that does not answer nobody says good-bye for long: its session ends by itself. */
const LEAVE_UNANSWERED_TIMEOUT_MS = 1_000;

interface MembershipDeps {
  readonly kafka: Kafka;
  readonly prefix: string;
  readonly clock: Clock;
}

/**
 * A broker that does not answer ends it within 15 s: a request is given up after 10 s, one to join after 11 s,
 * a heartbeat goes out every 2 s.
 */
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
    groupId: groupIdOf(prefix, membership.group),
    partitionAssigners: [assignerThatTells],
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
  let unanswered = false;
  let leftBehind = false;
  const end = (error?: unknown) => {
    leaving = true;
    over(error);
  };
  const onAbort = () => end();
  signal.addEventListener('abort', onAbort, { once: true });

  /** Goes up with every assignment: what was begun under another is not delivered. */
  let assignment = 0;
  const ready = new Set<string>();
  const working = new Set<Promise<unknown>>();
  /** One call of `assigned` after the other, and none beside one of `records`. */
  let assigning: Promise<void> = Promise.resolve();

  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    if (leaving) return;
    const own = ++assignment;
    ready.clear();
    const assigned = Object.entries(payload.memberAssignment).flatMap(([topic, partitions]) => {
      const domain = domainOf.get(topic);
      return domain === undefined ? [] : partitions.map((partition) => ({ topic, domain, partition }));
    });
    const ours = assigned.filter(({ partition }) => partition < generation.partitions);
    // At once: a seek behind an awaited load alone comes too late.
    for (const { topic, partition } of assigned) consumer.pause([{ topic, partitions: [partition] }]);
    const settle = async () => {
      await Promise.allSettled(working);
      if (own !== assignment || leaving) return;
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
    };
    assigning = assigning.then(settle).catch(end);
  });
  consumer.on(consumer.events.CRASH, ({ payload }) => end(payload.error));
  // By itself the client tries such a broker for most of a minute.
  consumer.on(consumer.events.REQUEST_TIMEOUT, ({ payload }) => {
    unanswered = true;
    end(new Error(`the broker ${payload.broker} did not answer in time: ${payload.apiName}`));
  });

  const deliver = async ({ batch, heartbeat, resolveOffset }: EachBatchPayload): Promise<void> => {
    const own = assignment;
    // The client asks for a heartbeat behind a batch only, however long it takes.
    let rebalancing: unknown = null;
    const beating = setInterval(() => {
      if (leftBehind) return;
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
  const eachBatch = async (payload: EachBatchPayload): Promise<void> => {
    const { batch, isStale } = payload;
    const due = !leaving && ready.has(`${batch.topic}/${batch.partition}`) && !isStale();
    if (!due || batch.messages.length === 0) return;
    const work = deliver(payload);
    working.add(work);
    await work.finally(() => working.delete(work));
  };
  const join = async (): Promise<void> => {
    await consumer.connect();
    if (leaving) return;
    await consumer.subscribe({ topics: [...domainOf.keys()], fromBeginning: true });
    if (leaving) return;
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
      eachBatch,
    });
  };

  const joining = join();
  joining.catch(end);
  const leave = async (): Promise<void> => {
    // Cut off while it joins it would stay a member, and others would wait for it until its session ends.
    await joining.catch(() => {});
    await consumer.disconnect();
  };
  try {
    await ended;
  } finally {
    signal.removeEventListener('abort', onAbort);
    const work = Promise.allSettled([...working, assigning]);
    await within(clock, WORK_TIMEOUT_MS, 'ending the work in hand', work).catch(() => {
      leftBehind = true;
    });
    const leaveMs = unanswered ? LEAVE_UNANSWERED_TIMEOUT_MS : LEAVE_TIMEOUT_MS;
    await within(clock, leaveMs, 'leaving the consumer group', leave()).catch(() => {});
  }
}
