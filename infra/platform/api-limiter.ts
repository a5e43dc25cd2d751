/** The limiter of a process that serves the API: its own, or the one that it shares over Redis. */
import type { Limiter } from '../../api/verify/limiter.ts';
import { InProcessLimiter } from '../limiter/in-process-limiter.ts';
import { openRedisLimiter } from '../redis/redis-limiter.ts';
import type { GaugeName } from '../telemetry/metrics.ts';
import type { Engines } from './engines.ts';

/** A start waits so long for Redis; without it, it begins with the share of this process. */
const REDIS_WAIT_MS = 2_000;

export interface ApiLimiter {
  readonly limiter: Limiter;
  gauges(): Partial<Record<GaugeName, number>>;
  /** When no request is left. */
  close(): Promise<void>;
}

export async function apiLimiter(engines: Pick<Engines, 'redis' | 'clock' | 'writer'>): Promise<ApiLimiter> {
  const { redis, clock, writer } = engines;
  if (redis === null) {
    const limiter = new InProcessLimiter(clock);
    return {
      limiter,
      gauges: () => ({
        plinth_limiter_meters: limiter.meters,
        plinth_limiter_refused_full: limiter.refusedFull,
      }),
      close: async () => {},
    };
  }
  await redis.connection.whenReady(REDIS_WAIT_MS);
  const limiter = openRedisLimiter({ redis: redis.connection, clock, writer });
  return {
    limiter,
    gauges() {
      const { meters, knownLimits, refusedFull, fallback, processes, leasedUnits } = limiter.gauges();
      return {
        plinth_limiter_meters: meters + knownLimits,
        plinth_limiter_refused_full: refusedFull,
        plinth_redis_away: redis.connection.state() === 'ready' ? 0 : 1,
        plinth_limiter_fallback: fallback ? 1 : 0,
        plinth_limiter_processes: processes,
        plinth_limiter_leased_units: leasedUnits,
      };
    },
    close: () => limiter.close(),
  };
}
