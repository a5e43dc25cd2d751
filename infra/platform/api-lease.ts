/**
 * One process serves the API on a log as long as limits live in its memory: two would let twice as much
 * through. A lease row tells which; a second process is told the name of the first. Those that share a
 * Redis count as one holder.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../commands/clock.ts';
import type { Secret } from '../../schemas/secret.ts';
import { migrate } from '../postgres/migrations.ts';
import type { Pool } from '../postgres/pool.ts';
import { processName } from '../process-name.ts';

/** A holder that says nothing for this long is taken for dead. */
const LEASE_MS = 6_000;
const RENEW_EVERY_MS = 1_500;
/** How long a start waits for the lease of a process that was killed. */
export const TAKE_OVER_WAIT_MS = LEASE_MS + 2_000;

export interface ApiLease {
  release(): Promise<void>;
}

export class ApiServedElsewhere extends Error {
  override readonly name = 'ApiServedElsewhere';
}

export interface ApiLeaseOptions {
  readonly pool: Pool;
  readonly clock: Clock;
  /** Unique to this life of this process. */
  readonly writer: string;
  /** Where limits are shared; null: in this process alone. */
  readonly redisUrl: Secret<string> | null;
  readonly redisPrefix: string;
  /** Another process has taken the lease: stop serving. */
  readonly lost: (why: string) => void;
  /** Told once, when the start has to wait, what it waits for. */
  readonly waiting: (why: string) => void;
  /** Ends the wait for it. */
  readonly signal?: AbortSignal;
}

const TAKE = `
  INSERT INTO plinth_api.lease AS l (one, writer, process, until) VALUES (true, $1, $2, now() + $3 * interval '1 ms')
  ON CONFLICT (one) DO UPDATE SET writer = $1, process = $2, until = now() + $3 * interval '1 ms'
  WHERE l.writer = $1 OR l.until < now()
  RETURNING writer`;

/** Throws `ApiServedElsewhere` when another living process holds it. */
export async function takeApiLease(options: ApiLeaseOptions): Promise<ApiLease> {
  const { pool, clock, redisUrl, redisPrefix, lost, waiting, signal } = options;
  const holder = redisUrl === null ? options.writer : sharersOf(redisUrl, redisPrefix);
  await migrate(pool, 'plinth_api', [
    {
      name: '001-lease',
      sql: `CREATE TABLE plinth_api.lease (
        one boolean PRIMARY KEY CHECK (one), writer text NOT NULL, process text NOT NULL, until timestamptz NOT NULL)`,
    },
  ]);
  const name = processName();
  const other = async () => {
    const [row] = await pool.query<{ process: string }>('SELECT process FROM plinth_api.lease');
    return row?.process ?? 'unknown';
  };
  const take = async () => (await pool.query(TAKE, [holder, name, LEASE_MS])).length > 0;
  const startedMs = clock.now();
  let told = false;
  while (!(await take())) {
    if (!told) {
      waiting(
        `another process serves the API on this log: ${await other()}; waiting up to ${TAKE_OVER_WAIT_MS / 1000} s for its lease to run out`,
      );
      told = true;
    }
    if (clock.now() - startedMs > TAKE_OVER_WAIT_MS) {
      throw new ApiServedElsewhere(
        redisUrl === null
          ? `Another process serves the API on this log: ${await other()}. Stop it first, or give both the same REDIS_URL: two would double every rate limit.`
          : `A process without this REDIS_URL and REDIS_PREFIX serves the API on this log: ${await other()}. Stop it first, or give it the same ones: limits would not be shared.`,
      );
    }
    await clock.sleep(250, signal);
    signal?.throwIfAborted();
  }
  const stop = new AbortController();
  const renewing = (async () => {
    while (!stop.signal.aborted) {
      await clock.sleep(RENEW_EVERY_MS, stop.signal);
      if (stop.signal.aborted) return;
      // A database that is away gives the lease to nobody: verify answers 503 by itself when it goes stale.
      const kept = await take().catch(() => true);
      if (!kept) return lost('another process serves the API now');
    }
  })();
  return {
    async release() {
      stop.abort();
      await renewing;
      // What others share runs out by itself.
      if (redisUrl !== null) return;
      await pool.query('DELETE FROM plinth_api.lease WHERE writer = $1', [holder]).catch(() => {});
    },
  };
}

/** All processes that share the keys of one Redis, by its address and their prefix; credentials may differ. */
function sharersOf(redisUrl: Secret<string>, redisPrefix: string): string {
  const address = redisUrl.reveal().replace(/\/\/[^@/]*@/, '//');
  return `redis ${createHash('sha256').update(`${address} ${redisPrefix}`).digest('hex').slice(0, 16)}`;
}
