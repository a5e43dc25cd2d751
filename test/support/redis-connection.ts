/** Connections to Redis for tests, patient and closed after them. */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { openRedis, type RedisConnection, type RedisOptions } from '../../infra/redis/connection.ts';
import { RedisFailure } from '../../infra/redis/redis-failure.ts';
import { Secret } from '../../schemas/secret.ts';
import type { Cleanup } from './postgres.ts';

export function openedRedis(t: Cleanup, url: string, options: Partial<RedisOptions> = {}): RedisConnection {
  const redis = openRedis({ prefix: 'plinth', url: new Secret(url), deadlineMs: 10_000, ...options });
  t.after(() => redis.close());
  return redis;
}

export async function readyRedis(
  t: Cleanup,
  url: string,
  options: Partial<RedisOptions> = {},
): Promise<RedisConnection> {
  const redis = openedRedis(t, url, options);
  assert.ok(await redis.whenReady(20_000));
  return redis;
}

export function failure(kind: RedisFailure['kind']): (error: unknown) => boolean {
  return (error) => error instanceof RedisFailure && error.kind === kind;
}

export async function within20s(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries++) {
    assert.ok(tries < 1_000, 'it did not come about within 20 s');
    await pause(20);
  }
}
