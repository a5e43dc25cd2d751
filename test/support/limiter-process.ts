/**
 * A process that takes from limits in Redis as it is told: one JSON line in, one out. Started by the tests
 * with a URL and a name.
 */
import { createInterface } from 'node:readline';
import { setImmediate as turn } from 'node:timers/promises';
import { openRedis } from '../../infra/redis/connection.ts';
import { openRedisLimiter } from '../../infra/redis/redis-limiter.ts';
import { systemClock } from '../../infra/system-clock.ts';
import { Secret } from '../../schemas/secret.ts';

export interface TakeOrder {
  readonly keyId: string;
  readonly limit: number;
  readonly windowSeconds: number;
  /** Calls, so many at a time; or for so long. */
  readonly calls: number;
  readonly atOnce: number;
  readonly forMs?: number;
}

export interface TakeOutcome {
  readonly admitted: number;
  readonly denied: number;
  /** Calls that were answered without asking Redis. */
  readonly unasked: number;
}

const [url, writer] = process.argv.slice(2) as [string, string];
const redis = openRedis({ prefix: 'plinth', url: new Secret(url), deadlineMs: 20_000 });
const limiter = openRedisLimiter({ redis, clock: systemClock, writer });
if (!(await redis.whenReady(20_000))) throw new Error('Redis does not answer');
while (limiter.gauges().answered.redis === 0) {
  await limiter.peek('t', writer, [{ name: 'n', limit: 1, windowSeconds: 1, cost: 0 }]);
}
process.stdout.write('{}\n');

for await (const line of createInterface({ input: process.stdin })) {
  const outcome = await take(JSON.parse(line) as TakeOrder);
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}
await limiter.close();
await redis.close();

async function take({ keyId, limit, windowSeconds, calls, atOnce, forMs }: TakeOrder): Promise<TakeOutcome> {
  const before = limiter.gauges().answered.leased;
  const endMs = performance.now() + (forMs ?? Number.POSITIVE_INFINITY);
  let admitted = 0;
  let denied = 0;
  const worker = async () => {
    while (admitted + denied < calls && performance.now() < endMs) {
      const answer = await limiter.take('t', keyId, [{ name: 'n', limit, windowSeconds, cost: 1 }]);
      if (answer.admitted) admitted += 1;
      else denied += 1;
      // Others have their turn, too.
      if ((admitted + denied) % 20 === 0) await turn();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return { admitted, denied, unasked: limiter.gauges().answered.leased - before };
}
