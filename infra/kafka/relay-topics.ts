/** The relay's port over Kafka: one transactional producer, fenced before anything is read. */
import { randomUUID } from 'node:crypto';
import type { Kafka, Message, Producer, Transaction } from 'kafkajs';
import type { Clock } from '../../commands/clock.ts';
import { positionTopicName, topicName } from '../../schemas/topics.ts';
import {
  type Outgoing,
  RelayFenced,
  type RelayRecord,
  type RelayTopics,
} from '../../workers/relay-topics.ts';
import { within } from '../within.ts';
import { brokerErrorType } from './broker-error.ts';
import { messageBytes, messageOf } from './cloud-event.ts';
import { kafkajs } from './kafkajs.ts';
import { markerMessage, positionTopic, recordMessage } from './position-topic.ts';
import type { TopicsAdmin } from './topics-admin.ts';

const TAKE_OVER_TIMEOUT_MS = 20_000;
const COMMIT_TIMEOUT_MS = 15_000;
/** The broker gives up a transaction that nobody ends after this; a successor ends it at once. */
const TRANSACTION_TIMEOUT_MS = 20_000;
/** What goes to one partition in one request is one batch, and a topic takes 2 MiB. */
const MAX_BATCH_BYTES = 1024 * 1024;
const CLOSE_TIMEOUT_MS = 5_000;
const FENCED = new Set(['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED']);

/**
 * Right after a commit the broker is still busy with it and says so: with pauses as they are by default a
 * transaction takes 80 to 190 ms instead of 5 to 8.
 */
export const relayProducerRetry = {
  initialRetryTime: 2,
  maxRetryTime: 10,
  multiplier: 1.2,
  factor: 0.2,
  retries: 1_000,
};

export interface KafkaRelayTopicsOptions {
  readonly kafka: Kafka;
  readonly prefix: string;
  readonly admin: TopicsAdmin;
  readonly clock: Clock;
}

export function kafkaRelayTopics({ kafka, prefix, admin, clock }: KafkaRelayTopicsOptions): RelayTopics {
  /** Of the take-over that counts: fenced, and so the one that may write. */
  let own: { readonly producer: Producer; generation: number } | null = null;
  /** One that takes over, and is none yet. */
  let candidate: Producer | null = null;
  /** A take-over that ran out of time may go on: its producer must not come in the place of a later one's. */
  let turn = 0;
  const positionTopicOf = positionTopicName(prefix);

  /**
   * A producer whose state is not known is never used again. `work` is what it may still be at: the client
   * connects again for what it has begun, and is then nobody's.
   */
  const discard = async (work?: Promise<unknown>): Promise<void> => {
    turn += 1;
    const old = [own?.producer, candidate];
    own = candidate = null;
    const leave = () => Promise.all(old.map((producer) => producer?.disconnect().catch(() => {})));
    await leave();
    await work?.then(leave, leave);
  };
  const attempt = async <R>(what: string, timeoutMs: number, begin: () => Promise<R>): Promise<R> => {
    const work = begin();
    try {
      return await within(clock, timeoutMs, `Kafka, ${what}`, work);
    } catch (error) {
      void discard(work);
      if (FENCED.has(brokerErrorType(error) ?? '')) {
        throw new RelayFenced('another relay has taken over', { cause: error });
      }
      throw error;
    }
  };
  const newProducer = (): Producer =>
    kafka.producer({
      transactionalId: `${prefix}-relay`,
      idempotent: true,
      maxInFlightRequests: 1,
      transactionTimeout: TRANSACTION_TIMEOUT_MS,
      allowAutoTopicCreation: false,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      retry: relayProducerRetry,
    });

  return {
    takeOver: () =>
      attempt('taking over from the relay before', TAKE_OVER_TIMEOUT_MS, async () => {
        void discard();
        const mine = turn;
        const ours = () => {
          if (mine !== turn) throw new Error('this take-over was given up');
        };
        await admin.makePositionTopic();
        ours();
        const producer = newProducer();
        candidate = producer;
        await producer.connect();
        ours();
        // Connecting fences nobody, the first transaction does; one that is empty sends nothing else.
        await (await producer.transaction()).abort();
        const marker = randomUUID();
        const transaction = await producer.transaction();
        await transaction.send({ topic: positionTopicOf, messages: [markerMessage(marker)] });
        await transaction.commit();
        // Afresh: what was read before may be of a topic that has been deleted since.
        const positions = positionTopic(kafka, prefix, clock);
        const record = await positions.recordBefore(marker, TAKE_OVER_TIMEOUT_MS).finally(positions.close);
        const topics = await admin.eventTopics();
        const lastGeneration = Math.max(0, ...topics.map(({ generation }) => generation));
        let topicsHoldRecords = false;
        if (record === null) {
          for (const { topic } of topics) {
            const bounds = await admin.bounds(topic);
            if (bounds.some(({ low, high }) => BigInt(high) > BigInt(low))) topicsHoldRecords = true;
          }
        }
        ours();
        own = { producer, generation: 0 };
        candidate = null;
        return { record, topicsHoldRecords, lastGeneration };
      }),

    commit: (records, record) =>
      attempt('a transaction of the relay', COMMIT_TIMEOUT_MS, async () => {
        const writer = own;
        if (writer === null) {
          throw new Error('the outcome of the last transaction is unknown: take over first');
        }
        if (writer.generation !== record.generation) {
          await admin.makeTopics(record.generation, record.partitions);
          writer.generation = record.generation;
        }
        const transaction = await writer.producer.transaction();
        await send(transaction, prefix, records, record);
        await transaction.commit();
      }),

    close: () => within(clock, CLOSE_TIMEOUT_MS, 'leaving Kafka', discard()).catch(() => {}),
  };
}

async function send(
  transaction: Transaction,
  prefix: string,
  records: readonly Outgoing[],
  record: RelayRecord,
): Promise<void> {
  let messages = new Map<string, Message[]>();
  let bytes = new Map<string, number>();
  const flush = async () => {
    const topicMessages = [...messages].map(([topic, ofTopic]) => ({ topic, messages: ofTopic }));
    messages = new Map();
    bytes = new Map();
    await transaction.sendBatch({ topicMessages });
  };
  const add = (topic: string, message: Message) => {
    const ofTopic = messages.get(topic);
    if (ofTopic) ofTopic.push(message);
    else messages.set(topic, [message]);
  };
  for (const outgoing of records) {
    const message = messageOf(outgoing);
    const topic = topicName(prefix, outgoing.domain, record.generation);
    const name = `${topic}/${outgoing.partition}`;
    const size = messageBytes(message);
    if ((bytes.get(name) ?? 0) + size > MAX_BATCH_BYTES && bytes.size > 0) await flush();
    bytes.set(name, (bytes.get(name) ?? 0) + size);
    add(topic, message);
  }
  add(positionTopicName(prefix), recordMessage(record));
  await flush();
}
