/** How many processes share a Redis: each announces itself while it lives, and reads the number. */
import type { Clock } from '../../commands/clock.ts';
import type { RedisConnection } from './connection.ts';
import { RedisFailure } from './redis-failure.ts';
import { redisScript } from './script.ts';

const ANNOUNCE_MS = 2_000;
/** One that has not announced itself for this long is taken for dead. */
const ALIVE_MS = 10_000;
/** Until Redis was reached for the first time: too many only makes shares smaller. */
export const PROCESSES_UNKNOWN = 4;

const KEY = '{processes}';

const announce = redisScript(
  'processes',
  `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if tonumber(ARGV[2]) > 0 then
  redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
else
  redis.call('ZREM', KEYS[1], ARGV[1])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('PEXPIRE', KEYS[1], ${ALIVE_MS})
return redis.call('ZCARD', KEYS[1])
`,
);

export interface Processes {
  /**
   * This one included; while Redis is away, as many as were known last. For ten seconds the greatest number
   * counts, so that a Redis that forgot all does not make the first to come back take all shares.
   */
  count(): number;
  close(): Promise<void>;
}

/** @param writer names this life of this process */
export function announceProcess(
  redis: Pick<RedisConnection, 'whenReady' | 'run'>,
  writer: string,
  clock: Clock,
): Processes {
  const closing = new AbortController();
  let counts: { readonly count: number; readonly atMs: number }[] = [];
  let known = PROCESSES_UNKNOWN;
  const tell = async (aliveMs: number) => {
    try {
      const count = Number(await redis.run(announce, [KEY], [writer, aliveMs]));
      const nowMs = clock.now();
      counts = [...counts.filter(({ atMs }) => nowMs - atMs < ALIVE_MS), { count, atMs: nowMs }];
      known = Math.max(1, ...counts.map((seen) => seen.count));
    } catch (error) {
      if (!(error instanceof RedisFailure)) throw error;
    }
  };
  const running = (async () => {
    await redis.whenReady(ANNOUNCE_MS);
    while (!closing.signal.aborted) {
      await tell(ALIVE_MS);
      await clock.sleep(ANNOUNCE_MS, closing.signal);
    }
  })();
  return {
    count: () => known,
    async close() {
      closing.abort();
      await running;
      await tell(0);
    },
  };
}
