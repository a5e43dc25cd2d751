import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeClock } from '../../test/support/fake-clock.ts';
import { createLog } from '../telemetry/log.ts';
import { kafkaWatch } from './kafka-watch.ts';

function watched(away: boolean) {
  const clock = fakeClock();
  const lines: string[] = [];
  const kafka = { away };
  const watch = kafkaWatch({
    async check() {
      if (kafka.away) throw Object.assign(new Error('connect ECONNREFUSED'), { name: 'KafkaJSError' });
    },
    brokers: ['one:9092', 'two:9092'],
    clock,
    log: createLog({
      level: 'info',
      write: (line) => lines.push((JSON.parse(line) as { message: string }).message),
    }),
  });
  return { clock, lines, kafka, watch };
}
const AWAY = 'Kafka at one:9092, two:9092 does not answer: it tries again; check KAFKA_BROKERS';

test('a Kafka that was never reached is said at once, by its address and setting, once; and once that it is there', async () => {
  const { clock, lines, kafka, watch } = watched(true);
  await clock.advance(60_000);
  assert.deepEqual(lines, [AWAY]);
  assert.equal(watch.answers(), false);
  kafka.away = false;
  await clock.advance(60_000);
  assert.deepEqual(lines, [AWAY, 'Kafka is there']);
  assert.equal(watch.answers(), true);
  watch.stop();
  await clock.advance(1);
  assert.equal(clock.sleepers(), 0);
});

test('a Kafka that has answered is away when it fails twice in a row', async () => {
  const { clock, lines, kafka, watch } = watched(false);
  await clock.advance(1);
  kafka.away = true;
  await clock.advance(5_000);
  kafka.away = false;
  await clock.advance(5_000);
  assert.deepEqual(lines, ['Kafka is there']);
  kafka.away = true;
  await clock.advance(10_000);
  assert.deepEqual(lines, ['Kafka is there', AWAY]);
  watch.stop();
});
