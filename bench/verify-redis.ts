/** `verify` with its limits and shared rows in Redis, as several API processes have them, against `verify` alone. */
import type { ChildProcess } from 'node:child_process';
import { startRedis } from '../test/support/redis-server.ts';
import { type Benchmark, interleave } from './harness.ts';
import { scratchHouse } from './scratch-house.ts';
import { ended, fullLoad, ROUND_MS, requestsOf, startServer, untilReady, zipfDraws } from './verify.ts';

const ROUNDS = 6;

export const verifyRedisBenchmark: Benchmark = {
  name: 'verify-redis',
  unit: 'requests/s',
  bar: 0.9,
  passes: 'at least',
  says: 'verify on a Postgres log with REDIS_URL set against the same without it',
  async measure() {
    const [house, redis] = await Promise.all([scratchHouse(), startRedis()]);
    const servers: ChildProcess[] = [];
    try {
      const requests = await requestsOf(house);
      const next = zipfDraws(requests);
      const start = async (more: Readonly<Record<string, string>>) => {
        const { child, target } = await startServer(house, 'plinth', more);
        servers.push(child);
        await untilReady(target, requests);
        return target;
      };
      const shared = await start({ REDIS_URL: redis.url });
      const alone = await start({});
      return await interleave({
        rounds: ROUNDS,
        subject: () => fullLoad(shared, ROUND_MS, next),
        yardstick: () => fullLoad(alone, ROUND_MS, next),
      });
    } finally {
      for (const server of servers) await ended(server);
      await redis.stop();
      await house.close();
    }
  },
};
