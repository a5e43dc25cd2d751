import { createRequire } from 'node:module';
import { test } from 'node:test';
import type { Kafka as KafkaClient } from 'kafkajs';
import { testKafka } from './kafka-server.ts';
import { until } from './platform-process.ts';
import { without } from './servers.ts';

const { Kafka, logLevel } = createRequire(import.meta.url)('kafkajs') as typeof import('kafkajs');

test('the broker of the run takes a transaction and a message of 1.9 MB', {
  skip: without('kafka'),
}, async (t) => {
  const { brokers, prefix } = await testKafka();
  const kafka: KafkaClient = new Kafka({
    brokers: [...brokers],
    clientId: prefix,
    logLevel: logLevel.NOTHING,
  });
  const admin = kafka.admin();
  await admin.connect();
  t.after(() => admin.disconnect());
  const topic = `${prefix}.sizes`;
  await admin.createTopics({
    topics: [{ topic, configEntries: [{ name: 'max.message.bytes', value: String(2 * 1024 * 1024) }] }],
    waitForLeaders: true,
  });
  const producer = kafka.producer({ transactionalId: prefix, idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  t.after(() => producer.disconnect());
  const transaction = await producer.transaction();
  await transaction.send({ topic, messages: [{ value: Buffer.alloc(1_900_000, 7) }] });
  await transaction.commit();
  const high = async () => (await admin.fetchTopicOffsets(topic))[0]?.high;
  // The message, and the control record of its transaction.
  await until('both are committed', async () => (await high()) === '2');
});
