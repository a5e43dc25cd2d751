/**
 * The relay: a log of key events carried to Kafka, transaction by transaction. Against a bare transactional
 * producer of kafkajs that sends the very messages, made beforehand, in the same transactions.
 */
import type { Message } from 'kafkajs';
import { messageOf } from '../infra/kafka/cloud-event.ts';
import { openKafka } from '../infra/kafka/kafka.ts';
import { kafkaClient, kafkajs } from '../infra/kafka/kafkajs.ts';
import { recordMessage } from '../infra/kafka/position-topic.ts';
import { relayProducerRetry } from '../infra/kafka/relay-topics.ts';
import { positionTopicName, topicName } from '../schemas/topics.ts';
import { type KafkaServer, startKafka } from '../test/support/kafka-server.ts';
import { relay } from '../workers/relay.ts';
import type { Outgoing, RelayRecord, RelayTopics } from '../workers/relay-topics.ts';
import { type Benchmark, interleave } from './harness.ts';
import { appendKeyLog } from './key-events.ts';
import { scratchHouse } from './scratch-house.ts';

const EVENTS = 40_000;
const ROUNDS = 6;
const PARTITIONS = 12;

interface Transaction {
  readonly records: readonly Outgoing[];
  readonly record: RelayRecord;
}

export const relayBenchmark: Benchmark = {
  name: 'relay',
  unit: 'events/s',
  bar: 0.6,
  passes: 'at least',
  says: `${EVENTS} key events of a Postgres log to Kafka, transactional, against a bare kafkajs producer sending the same messages in the same transactions`,
  async measure() {
    const [house, server] = await Promise.all([scratchHouse(), startKafka()]);
    try {
      await appendKeyLog(house.engines, EVENTS, 0.6);
      let round = 0;
      let transactions: readonly Transaction[] = [];
      const measured = await interleave({
        rounds: ROUNDS,
        async subject() {
          const carried = await carry(house.engines, server, `relay${round++}`);
          transactions = carried.transactions;
          return carried.eventsPerSecond;
        },
        async yardstick() {
          // The relay decides what a transaction holds: it goes first.
          if (transactions.length === 0) {
            transactions = (await carry(house.engines, server, `relay${round++}`)).transactions;
          }
          return sendBare(server, `bare${round++}`, transactions);
        },
      });
      const largest = Math.max(...transactions.map(({ records }) => records.length));
      return { ...measured, notes: [`${transactions.length} transactions of at most ${largest} records`] };
    } finally {
      await server.stop();
      await house.close();
    }
  },
};

type House = Awaited<ReturnType<typeof scratchHouse>>['engines'];

/** The whole log into topics of their own; the clock runs from the take-over to the last commit. */
async function carry({ log, clock }: House, server: KafkaServer, prefix: string) {
  const kafka = openKafka({ brokers: [server.brokers], prefix, replicas: 1, clock });
  const topics = kafka.relayTopics();
  const transactions: Transaction[] = [];
  let startedMs = 0;
  const { position: end } = await log.head();
  const reached = Promise.withResolvers<number>();
  const watched: RelayTopics = {
    ...topics,
    async commit(records, record) {
      await topics.commit(records, record);
      // The first makes the topics.
      if (records.length === 0) startedMs = performance.now();
      else transactions.push({ records, record });
      if (record.bookmark.position >= end) reached.resolve(performance.now());
    },
  };
  const stop = new AbortController();
  const lease = { hold: async () => true, release: async () => {} };
  const running = relay(
    { log, topics: watched, lease, clock },
    { signal: stop.signal, partitions: PARTITIONS },
  ).run();
  const endedMs = await reached.promise;
  stop.abort();
  await running;
  await topics.close();
  await kafka.close();
  return { transactions, eventsPerSecond: (EVENTS * 1_000) / (endedMs - startedMs) };
}

async function sendBare(
  server: KafkaServer,
  prefix: string,
  transactions: readonly Transaction[],
): Promise<number> {
  const kafka = kafkaClient({ brokers: [server.brokers], clientId: prefix });
  const admin = kafka.admin();
  await admin.connect();
  const { generation } = transactions[0]!.record;
  const domains = new Set(transactions.flatMap(({ record }) => Object.keys(record.last)));
  await admin.createTopics({
    waitForLeaders: true,
    topics: [
      { topic: positionTopicName(prefix), numPartitions: 1 },
      ...[...domains].map((domain) => ({
        topic: topicName(prefix, domain, generation),
        numPartitions: PARTITIONS,
      })),
    ],
  });
  await admin.disconnect();
  const sends = transactions.map(({ records, record }) => {
    const messages = new Map<string, Message[]>();
    for (const outgoing of records) {
      const topic = topicName(prefix, outgoing.domain, generation);
      messages.set(topic, [...(messages.get(topic) ?? []), messageOf(outgoing)]);
    }
    messages.set(positionTopicName(prefix), [recordMessage(record)]);
    return [...messages].map(([topic, ofTopic]) => ({ topic, messages: ofTopic }));
  });
  const producer = kafka.producer({
    transactionalId: prefix,
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    retry: relayProducerRetry,
  });
  await producer.connect();
  await (await producer.transaction()).abort();
  const startedMs = performance.now();
  for (const topicMessages of sends) {
    const transaction = await producer.transaction();
    await transaction.sendBatch({ topicMessages });
    await transaction.commit();
  }
  const eventsPerSecond = (EVENTS * 1_000) / (performance.now() - startedMs);
  await producer.disconnect();
  return eventsPerSecond;
}
