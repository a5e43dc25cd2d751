import assert from 'node:assert/strict';
import { test } from 'node:test';
import { troubleOf, troubleWith } from './engine-trouble.ts';
import { EventStoreUnavailable } from './event-log/eventstore/client.ts';
import { RedisFailure } from './redis/redis-failure.ts';
import { NoAnswer } from './within.ts';

const named = (name: string, message: string, more = {}) =>
  Object.assign(new Error(message), { name, ...more });
const database = (code: string) => Object.assign(new Error('told'), { code, severity: 'FATAL' });

test('what an engine fails with is told by its name and its setting, and names no host', () => {
  const told: readonly [unknown, string | null][] = [
    [
      named('KafkaJSNumberOfRetriesExceeded', 'Connection error: connect ECONNREFUSED 10.0.0.7:9092'),
      'Kafka does not answer: check KAFKA_BROKERS',
    ],
    [
      named('KafkaJSConnectionError', 'Connection error: getaddrinfo ENOTFOUND kafka.internal'),
      'Kafka is at no host of this name: check KAFKA_BROKERS',
    ],
    [
      named('KafkaJSProtocolError', 'x', { type: 'NOT_ENOUGH_REPLICAS' }),
      'Kafka refuses what it is asked (NOT_ENOUGH_REPLICAS): check KAFKA_BROKERS',
    ],
    [new NoAnswer(10, 'Kafka, a transaction of the relay'), 'Kafka does not answer: check KAFKA_BROKERS'],
    [
      new Error('around', {
        cause: new EventStoreUnavailable('a read failed: status 14: 10.0.0.7:2113', 14),
      }),
      'EventStoreDB does not answer: check EVENT_LOG_URL',
    ],
    [
      new EventStoreUnavailable('a read failed', 16),
      'EventStoreDB refuses the user or the password: check EVENT_LOG_URL',
    ],
    [database('57P01'), 'PostgreSQL does not answer: check DATABASE_URL'],
    [database('28P01'), 'PostgreSQL refuses the user or the password: check DATABASE_URL'],
    [database('53300'), 'PostgreSQL has no connection left: check DATABASE_URL'],
    [
      named('Error', 'connect ECONNREFUSED 10.0.0.7:5432', { code: 'ECONNREFUSED' }),
      'PostgreSQL does not answer: check DATABASE_URL',
    ],
    [new RedisFailure('away', 'get', 'not connected'), 'Redis does not answer: check REDIS_URL'],
    [new TypeError('x is no function'), null],
    [new NoAnswer(10, 'something of ours'), null],
  ];
  for (const [error, sentence] of told) assert.equal(troubleOf(error), sentence, String(error));
  assert.equal(troubleOf(database('57P03'), true), 'the embedded PostgreSQL is starting');
  assert.equal(
    troubleWith('PostgreSQL', null, new NoAnswer(1, 'a look')),
    'the embedded PostgreSQL does not answer',
  );
});
