/**
 * Limits that all processes share: their meters are in Redis, in one script on its clock, all spent or
 * none; hot and large ones are leased (see `lease-book.ts`). Answers say what was known when Redis was last
 * asked, at most a second ago, so `remaining` may be too high by what others have spent since.
 *
 * While Redis is away or late, each process admits its share (`share-limiter.ts`), and `unshared()` says
 * why; nothing has to be done when it is back. Of a cluster that is partly away this holds of the limits whose
 * meters are there, and `unshared()` says so.
 *
 * The bound: of a limit of L units in W seconds, the processes admit in any span of T seconds at most
 *
 *   L + L/100 + f·L + S + (L + S)·T/W
 *
 * where Redis lost f times in the span what it knew (a restart, a flush, a failover to a replica that
 * lagged), and S is the sum of max(1, ⌊L/n⌋) over the processes, n being how many each knew of: L, where all
 * know all and there are no more of them than units. Without an outage in the span, S is 0.
 */
import type { LimitAnswer, Limiter, LimitSpend } from '../../api/verify/limiter.ts';
import type { Clock } from '../../commands/clock.ts';
import { answers, type RedisConnection } from './connection.ts';
import { gcraArguments, gcraReply, gcraScript } from './gcra.ts';
import { LeaseBook } from './lease-book.ts';
import { announceProcess } from './processes.ts';
import { RedisFailure } from './redis-failure.ts';
import { ShareLimiter } from './share-limiter.ts';

/** How often what has expired unspent is given back. */
const RETURN_MS = 250;
const MAX_RETURNS_AT_ONCE = 200;

export interface RedisLimiterOptions {
  readonly redis: Pick<RedisConnection, 'state' | 'problem' | 'whenReady' | 'run'>;
  readonly clock: Clock;
  /** Names this life of this process. */
  readonly writer: string;
  /** Limits are judged locally from now on, or by Redis again. */
  readonly onFallback?: (active: boolean) => void;
}

export interface RedisLimiterGauges {
  /** Whether limits are judged locally. */
  readonly fallback: boolean;
  /** Processes known to share them. */
  readonly processes: number;
  readonly leasedUnits: number;
  readonly knownLimits: number;
  /** Meters of the local limiter, and denials because it had no room. */
  readonly meters: number;
  readonly refusedFull: number;
  /** Calls answered from leases and from what is known, by Redis, and by the local limiter. */
  readonly answered: { readonly leased: number; readonly redis: number; readonly local: number };
}

export interface RedisLimiter extends Limiter {
  gauges(): RedisLimiterGauges;
  /** Gives back what is leased, and no longer counts among the processes. The connection stays open. */
  close(): Promise<void>;
}

export function openRedisLimiter(options: RedisLimiterOptions): RedisLimiter {
  const { redis, clock, writer, onFallback } = options;
  const processes = announceProcess(redis, writer, clock);
  const book = new LeaseBook(() => processes.count());
  const local = new ShareLimiter({
    clock,
    processes: () => processes.count(),
    used: (tenant, keyId, spend) => book.used(nameOf(tenant, keyId, spend.name), spend, performance.now()),
  });
  const answered = { leased: 0, redis: 0, local: 0 };
  const closing = new AbortController();
  let fallback = false;

  const fellBack = (active: boolean) => {
    if (fallback === active) return;
    fallback = active;
    if (!active) local.ended();
    onFallback?.(active);
  };
  const locally = (mode: Mode, tenant: string, keyId: string, spends: readonly LimitSpend[]): LimitAnswer => {
    answered.local += 1;
    fellBack(true);
    return local[mode](tenant, keyId, spends);
  };

  const ask = async (
    mode: Mode,
    tenant: string,
    keyId: string,
    names: readonly string[],
    spends: readonly LimitSpend[],
  ): Promise<LimitAnswer> => {
    const sentMs = performance.now();
    const plan = mode === 'take' ? book.plan(names, spends, sentMs) : null;
    const asks = plan?.map((planned) => planned.ask) ?? spends.map(needOf);
    try {
      const reply = gcraReply(await redis.run(gcraScript, names, gcraArguments(mode, asks)));
      answered.redis += 1;
      if (redis.state() === 'ready') fellBack(false);
      const nowMs = performance.now();
      if (plan === null) return book.look(names, spends, reply, nowMs);
      const answer = book.settle(names, spends, plan, reply, sentMs, nowMs);
      // Another call may have brought a lease meanwhile.
      return answer.admitted ? answer : (book.take(names, spends, nowMs) ?? answer);
    } catch (error) {
      if (!(error instanceof RedisFailure)) throw error;
      if (plan !== null) book.putBack(names, spends, plan);
      return locally(mode, tenant, keyId, spends);
    }
  };
  const judge = (mode: Mode, tenant: string, keyId: string, spends: readonly LimitSpend[]) => {
    const names = spends.map(({ name }) => nameOf(tenant, keyId, name));
    const known = book[mode](names, spends, performance.now());
    if (known !== null) {
      answered.leased += 1;
      return known;
    }
    if (!answers(redis.state())) return locally(mode, tenant, keyId, spends);
    return ask(mode, tenant, keyId, names, spends);
  };

  const giveBack = async (nowMs: number) => {
    const returns = book.returns(nowMs);
    for (let i = 0; i < returns.length && answers(redis.state()); i += MAX_RETURNS_AT_ONCE) {
      await Promise.allSettled(
        returns
          .slice(i, i + MAX_RETURNS_AT_ONCE)
          .map(({ name, ask: back }) => redis.run(gcraScript, [name], gcraArguments('take', [back]))),
      );
    }
  };
  const returning = (async () => {
    while (!closing.signal.aborted) {
      await clock.sleep(RETURN_MS, closing.signal);
      if (redis.state() === 'ready') fellBack(false);
      await giveBack(performance.now());
    }
  })();

  return {
    take: (tenant, keyId, spends) => judge('take', tenant, keyId, spends),
    peek: (tenant, keyId, spends) => judge('peek', tenant, keyId, spends),
    unshared: () => (redis.state() === 'ready' ? null : (redis.problem() ?? 'this process is stopping')),
    gauges: () => ({
      fallback: fallback || redis.state() !== 'ready',
      processes: processes.count(),
      leasedUnits: book.leasedUnits,
      knownLimits: book.knownLimits,
      meters: local.meters,
      refusedFull: local.refusedFull,
      answered: { ...answered },
    }),
    async close() {
      closing.abort();
      await returning;
      await giveBack(Number.POSITIVE_INFINITY);
      await processes.close();
    },
  };
}

type Mode = 'take' | 'peek';

/** One hash tag a key, so that all limits of a call lie on one node of a cluster. */
function nameOf(tenant: string, keyId: string, limit: string): string {
  return `{limits:${tenant}:${keyId}}:${limit}`;
}

function needOf({ limit, windowSeconds, cost }: LimitSpend) {
  return { limit, windowSeconds, need: cost, want: 0, back: 0, backAtMs: 0 };
}
