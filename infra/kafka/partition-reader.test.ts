import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startFaultProxy } from '../../test/support/fault-proxy.ts';
import { testKafka } from '../../test/support/kafka-server.ts';
import { until } from '../../test/support/platform-process.ts';
import { without } from '../../test/support/servers.ts';
import { brokerErrorType } from './broker-error.ts';
import { kafkaClient } from './kafkajs.ts';
import { partitionReader } from './partition-reader.ts';

test('looking again and again for a topic that is not there leaves no connection behind', {
  skip: without('kafka'),
}, async (t) => {
  const { brokers, prefix } = await testKafka();
  const proxy = await startFaultProxy(t, { port: Number(brokers[0]!.split(':')[1]) });
  const kafka = kafkaClient({ brokers: [`127.0.0.1:${proxy.port}`], clientId: prefix });
  const reader = partitionReader(kafka, `${prefix}.none`);
  const unknown = (error: unknown) => brokerErrorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION';
  for (let looks = 0; looks < 3; looks++) await assert.rejects(reader.bounds(), unknown);
  await until('every connection has ended', () => proxy.connections() === 0, 10_000);
  await reader.close();
});
