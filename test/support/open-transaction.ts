/**
 * A relay as a process of its own, in the middle of a transaction: writes a record, says `open`, and stands
 * still until a line comes. Then it commits, and writes another one; it says what became of each.
 *
 *     node open-transaction.ts <brokers> <transactional id> <topic>
 */
import { once } from 'node:events';
import { brokerErrorType } from '../../infra/kafka/broker-error.ts';
import { kafkaClient, kafkajs } from '../../infra/kafka/kafkajs.ts';
import { relayProducerRetry } from '../../infra/kafka/relay-topics.ts';

const [brokers = '', transactionalId = '', topic = ''] = process.argv.slice(2);
const producer = kafkaClient({ brokers: brokers.split(','), clientId: 'frozen' }).producer({
  transactionalId,
  idempotent: true,
  maxInFlightRequests: 1,
  createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  retry: { ...relayProducerRetry, retries: 20 },
});

/** `done`, or the type of the broker's error. */
async function outcome(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return 'done';
  } catch (error) {
    return brokerErrorType(error) ?? (error as Error).name;
  }
}

await producer.connect();
const transaction = await producer.transaction();
await transaction.send({
  topic,
  messages: [{ partition: 0, key: 'ghost', value: 'open when it was frozen' }],
});
console.log('open');
await once(process.stdin, 'data');
const committed = await outcome(() => transaction.commit());
const another = await outcome(async () => {
  const next = await producer.transaction();
  await next.send({ topic, messages: [{ partition: 0, key: 'ghost', value: 'after it woke' }] });
  await next.commit();
});
console.log(JSON.stringify({ committed, another }));
process.exit(0);
