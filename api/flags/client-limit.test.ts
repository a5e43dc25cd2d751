import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InProcessLimiter } from '../../infra/limiter/in-process-limiter.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { flagsCallers } from '../../test/support/served-flags.ts';
import { clientLimit, networkOf } from './client-limit.ts';

const client = flagsCallers['client-key']!;
const isTooMany = (error: unknown) =>
  error instanceof PlinthError && error.rejection.code === 'too_many_requests';

test('an address has its own limit with each key, and has it back with time', () => {
  let nowMs = 0;
  const clock = { now: () => nowMs, sleep: async () => {} };
  const limit = clientLimit(new InProcessLimiter(clock), 60);
  for (let i = 0; i < 60; i++) limit(client, '198.51.100.1');
  assert.throws(() => limit(client, '198.51.100.1'), isTooMany);
  limit(client, '198.51.100.2');
  limit({ ...client, keyId: 'key_000000000099' }, '198.51.100.1');
  for (let i = 0; i < 100; i++) limit(flagsCallers['server-key']!, '198.51.100.1');
  nowMs += 1_000;
  limit(client, '198.51.100.1');
  assert.throws(() => limit(client, '198.51.100.1'), isTooMany);
});

test('a limit that processes share is waited for', async () => {
  const { admitted, limits } = new InProcessLimiter({ now: () => 0, sleep: async () => {} }).take('t', 'k', [
    { name: 'a', limit: 1, windowSeconds: 60, cost: 2 },
  ]);
  const limit = clientLimit({ take: async () => ({ admitted, limits }) }, 60);
  await assert.rejects(async () => limit(client, '198.51.100.1'), isTooMany);
});

test('all addresses of an IPv6 network are one', () => {
  const same: [string, string][] = [
    ['2001:db8:1:2:3:4:5:6', '2001:DB8:1:2::9'],
    ['2001:db8::1', '2001:db8:0:0:ffff::'],
    ['2001:0db8:0000:0000::1', '2001:db8::'],
    ['::1', '::'],
    ['fe80::1%eth0', 'fe80::2'],
  ];
  for (const [one, other] of same) assert.equal(networkOf(one), networkOf(other), one);
  for (const [one, other] of [
    ['2001:db8:1:2::1', '2001:db8:1:3::1'],
    ['1::2:3:4:5:6:7', '2::2:3:4:5:6:7'],
    ['198.51.100.1', '198.51.100.2'],
  ] as const) {
    assert.notEqual(networkOf(one), networkOf(other), one);
  }
});
