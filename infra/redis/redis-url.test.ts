import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../../schemas/secret.ts';
import { parseRedisUrl } from './redis-url.ts';

const parse = (text: string) => {
  const { password, ...rest } = parseRedisUrl(new Secret(text));
  return { ...rest, password: password?.reveal() };
};

test('a connection string of Redis names nodes, TLS, who logs in and the database', () => {
  assert.deepEqual(parse('redis://localhost'), {
    nodes: [{ host: 'localhost', port: 6379 }],
    tls: false,
    username: undefined,
    password: undefined,
    database: 0,
  });
  assert.deepEqual(parse('rediss://me:p%40ss%2Fw@[::1]:7000/12'), {
    nodes: [{ host: '::1', port: 7000 }],
    tls: true,
    username: 'me',
    password: 'p@ss/w',
    database: 12,
  });
  assert.deepEqual(parse('redis://:p@a:1,b:2,c').nodes, [
    { host: 'a', port: 1 },
    { host: 'b', port: 2 },
    { host: 'c', port: 6379 },
  ]);
});

test('what cannot be read is refused without being quoted', () => {
  for (const text of [
    'http://hidden',
    'redis://',
    'redis://:%zz-hidden@h',
    'redis://:hidden@a,b/3',
    'redis://hidden:99999999',
  ]) {
    assert.throws(
      () => parse(text),
      (error: Error) => !error.message.includes('hidden'),
      text,
    );
  }
});
