import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { ofSetting } from '../infra/engine-of.ts';
import { serversOf } from '../infra/event-log/eventstore/connection-string.ts';
import { NoAnswer } from '../infra/within.ts';
import { sentenceFor } from './failure.ts';

const error = (name: string, message: string, more: object = {}) =>
  Object.assign(new Error(message), { name, ...more });

test('an engine that does not answer is told in one sentence, whatever its client throws', () => {
  const refused = error('KafkaJSConnectionError', 'Connection error: connect ECONNREFUSED', {
    broker: '127.0.0.1:9093',
    code: 'ECONNREFUSED',
  });
  const sentences: readonly [unknown, string][] = [
    [refused, 'Kafka at 127.0.0.1:9093 does not answer (ECONNREFUSED): check KAFKA_BROKERS.'],
    [
      error('KafkaJSNumberOfRetriesExceeded', 'x', { cause: refused }),
      'Kafka at 127.0.0.1:9093 does not answer (ECONNREFUSED): check KAFKA_BROKERS.',
    ],
    [
      error('KafkaJSConnectionError', 'Connection timeout', { broker: 'k:1' }),
      'Kafka at k:1 does not answer (Connection timeout): check KAFKA_BROKERS.',
    ],
    [
      error('EventStoreUnavailable', 'a read failed: status 14', { server: 'e:2113', code: 14 }),
      'EventStoreDB at e:2113 does not answer: check EVENT_LOG_URL.',
    ],
    [
      error('EventStoreUnavailable', 'a read failed: status 16', { server: 'e:2113', code: 16 }),
      'EventStoreDB at e:2113 refuses the user or the password: check EVENT_LOG_URL.',
    ],
    [
      new NoAnswer(10, 'Kafka, looking'),
      'Kafka does not answer (no answer within 10 ms: Kafka, looking): check KAFKA_BROKERS.',
    ],
    [new NoAnswer(10, 'EventStoreDB, a read'), 'EventStoreDB does not answer: check EVENT_LOG_URL.'],
    [
      new NoAnswer(10, 'a look'),
      'There is no answer within 10 ms: a look: `plinth settings` says where each engine is.',
    ],
    [
      error('RedisFailure', 'redis get: not connected', { kind: 'away' }),
      'Redis does not answer (redis get: not connected): check REDIS_URL.',
    ],
    [
      error('Error', 'Connection terminated unexpectedly'),
      'The database does not answer (Connection terminated unexpectedly): check DATABASE_URL.',
    ],
    [
      error('error', 'the database system is starting up', { code: '57P03', severity: 'FATAL' }),
      'The database does not answer (the database system is starting up): check DATABASE_URL.',
    ],
  ];
  for (const [thrown, sentence] of sentences) assert.equal(sentenceFor(thrown), sentence);
});

test('one of several engines of a kind is told by its own setting, a verb’s option by what it was given', () => {
  const away = () => error('Error', 'connect ECONNREFUSED 10.0.0.7:5432', { code: 'ECONNREFUSED' });
  const option = { databaseSetting: '--to' };
  const told = (setting: string) =>
    `The database does not answer (connect ECONNREFUSED 10.0.0.7:5432): check ${setting}.`;
  assert.equal(sentenceFor(away(), option), told('--to'));
  const around = error('Error', 'around', { cause: ofSetting(away(), 'DATA_KEYS_URL') });
  assert.equal(sentenceFor(around, option), told('DATA_KEYS_URL'));
});

test('to ask what an error is loads no client of an engine', async () => {
  const script = "await import('./bin/unreachable.ts'); await import('./infra/engine-trouble.ts');";
  const loaded = `${script} console.log(Object.keys(process.getBuiltinModule('module')._cache).join(','));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', loaded]);
  assert.doesNotMatch(stdout, /node_modules/);
});

test('a defect is told whole', () => {
  const defects = [
    new TypeError('x is undefined'),
    error('error', 'relation "x" does not exist', { code: '42P01', severity: 'ERROR' }),
    error('RedisFailure', 'redis run: ERR in line 3 of the script', { kind: 'refused' }),
    error('Error', 'write EPIPE', { code: 'EPIPE', syscall: 'write' }),
  ];
  for (const defect of defects) assert.equal(sentenceFor(defect), undefined, defect.message);
});

test('of a connection string nothing is told but hosts and ports', () => {
  for (const login of ['', 'u:hunter2@', 'u:hun/ter2@', 'u:hunt?er2@', 'u:h@unter2@']) {
    assert.equal(serversOf(`esdb://${login}127.0.0.1:2119?tls=false`), '127.0.0.1:2119');
    assert.equal(serversOf(`esdb+discover://${login}a:2113,b.c:2113/?tls=true`), 'a:2113,b.c:2113');
  }
  assert.equal(serversOf('esdb://u:hunter 2/127.0.0.1'), null);
});
