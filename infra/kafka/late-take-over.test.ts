import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Kafka, ProducerConfig } from 'kafkajs';
import { type EventId, START } from '../../schemas/envelope.ts';
import { startFaultProxy } from '../../test/support/fault-proxy.ts';
import { testKafka } from '../../test/support/kafka-server.ts';
import { kafkaTopics } from '../../test/support/kafka-topics.ts';
import { until } from '../../test/support/platform-process.ts';
import { without } from '../../test/support/servers.ts';
import { firstRecord } from '../../workers/relay-batch.ts';
import { systemClock } from '../system-clock.ts';
import { kafkaClient } from './kafkajs.ts';
import { kafkaRelayTopics } from './relay-topics.ts';
import { topicsAdmin } from './topics-admin.ts';

test('a take-over that ran out of time fences nobody when Kafka answers at last, and leaves no connection', {
  skip: without('kafka'),
}, async (t) => {
  const { brokers, prefix } = await testKafka();
  await kafkaTopics(t, { brokers, prefix });
  const proxy = await startFaultProxy(t, { port: Number(brokers[0]!.split(':')[1]) });
  const direct = kafkaClient({ brokers, clientId: prefix });
  const admin = topicsAdmin({ kafka: direct, prefix, replicas: 1, clock: systemClock });
  t.after(() => admin.close());
  await admin.makePositionTopic();

  // Its time is over, and Kafka answers, when this test says so.
  const over = new AbortController();
  const clock = { ...systemClock, sleep: (ms: number) => systemClock.sleep(ms, over.signal) };
  const answers = Promise.withResolvers<void>();
  let state: 'new' | 'connecting' | 'connected' = 'new';
  let transactions = 0;
  const slow = kafkaClient({ brokers: [`127.0.0.1:${proxy.port}`], clientId: prefix });
  const watched = {
    producer(config: ProducerConfig) {
      const producer = slow.producer(config);
      return {
        ...producer,
        async connect() {
          state = 'connecting';
          await answers.promise;
          await producer.connect();
          assert.ok(proxy.connections() > 0);
          state = 'connected';
        },
        transaction() {
          transactions += 1;
          return producer.transaction();
        },
      };
    },
  } as unknown as Kafka;
  const late = kafkaRelayTopics({ kafka: watched, prefix, admin, clock }).takeOver();
  await until('it connects', () => state === 'connecting');
  over.abort();
  await assert.rejects(late, { name: 'NoAnswer' });

  const successor = kafkaRelayTopics({ kafka: direct, prefix, admin, clock: systemClock });
  t.after(() => successor.close());
  await successor.takeOver();
  answers.resolve();
  await until('Kafka has answered the one that is late', () => state === 'connected');
  await until('its connections have ended', () => proxy.connections() === 0);
  assert.equal(transactions, 0);
  const bookmark = { epoch: 'e' as never, position: START, eventId: null as EventId | null };
  await successor.commit([], firstRecord(1, 1, bookmark));
});
