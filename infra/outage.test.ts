import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Overfull } from './event-log/coalesce.ts';
import { EventStoreUnavailable } from './event-log/eventstore/client.ts';
import { outageOf } from './outage.ts';
import { RedisFailure } from './redis/redis-failure.ts';
import { systemClock } from './system-clock.ts';
import { within } from './within.ts';

const told = (code: string) => Object.assign(new Error('told'), { code, severity: 'FATAL' });
const system = (code: string) => Object.assign(new Error('system'), { code });

test('what every engine says when it is away is an outage', async () => {
  const never = new Promise<never>(() => {});
  const away: readonly unknown[] = [
    // The server stops, was killed, starts, and has no connection left.
    ...['57P01', '57P02', '57P03', '53300', '08006'].map(told),
    ...['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT'].map(system),
    new Error('Connection terminated unexpectedly'),
    new Error('timeout exceeded when trying to connect'),
    new Error('Client has encountered a connection error and is not queryable'),
    new EventStoreUnavailable('append failed: status 14: not now', 14),
    new RedisFailure('away', 'get', 'not connected'),
    await within(systemClock, 1, 'a test', never).catch((error: unknown) => error),
    new Error('the rows could not be read', { cause: told('57P01') }),
  ];
  for (const error of away) assert.equal(outageOf(error), 'unavailable', String(error));
  assert.equal(outageOf(new Overfull('10000 calls wait already')), 'overloaded');
});

test('what is wrong with a statement, with the code or with a request is none', () => {
  const cause = system('ECONNRESET');
  const deep = [1, 2, 3, 4, 5].reduce((at: Error) => new Error('around', { cause: at }), cause);
  for (const error of [told('42P01'), told('23505'), new TypeError('x'), null, 'ECONNRESET', deep]) {
    assert.equal(outageOf(error), null, String(error));
  }
});
