/**
 * Limits while Redis is away: each process admits its share of them from its own memory. All together
 * admit at most the limit, or one unit a process where there are more processes than units.
 *
 * A process knows what it was told last, and begins with that part of its share used up; what only others
 * knew is forgotten. What it has admitted it does not forget when Redis is back, nor does Redis learn of it:
 * all outages together add the shares once, and what runs back in them (`redis-limiter.ts` has the sum).
 */
import type { LimitAnswer, Limiter, LimitSpend } from '../../api/verify/limiter.ts';
import type { Clock } from '../../commands/clock.ts';
import { InProcessLimiter } from '../limiter/in-process-limiter.ts';

/** A cost that is above the share and within the limit can be spent when Redis is back. */
const RETRY_AFTER_SECONDS = 5;
const MAX_BEGUN_LIMITS = 500_000;

export interface ShareLimiterDeps {
  readonly clock: Clock;
  /** How many share the limits. */
  readonly processes: () => number;
  /** Units of a limit that were used when Redis was last asked; null: not known. */
  readonly used: (tenant: string, keyId: string, spend: LimitSpend) => number | null;
}

export class ShareLimiter implements Pick<Limiter, 'take' | 'peek'> {
  readonly #deps: ShareLimiterDeps;
  readonly #inner: InProcessLimiter;
  /** Limits that this outage has begun with. */
  readonly #begun = new Set<string>();

  constructor(deps: ShareLimiterDeps) {
    this.#deps = deps;
    this.#inner = new InProcessLimiter(deps.clock);
  }

  take(tenant: string, keyId: string, spends: readonly LimitSpend[]): LimitAnswer {
    const shares = this.#shares(tenant, keyId, spends);
    return wholeAnswer(spends, this.#inner.take(tenant, keyId, shares));
  }

  peek(tenant: string, keyId: string, spends: readonly LimitSpend[]): LimitAnswer {
    const shares = this.#shares(tenant, keyId, spends);
    return wholeAnswer(spends, this.#inner.peek(tenant, keyId, shares));
  }

  /** Redis is back: the next outage begins with what is known then. */
  ended(): void {
    this.#begun.clear();
  }

  get meters(): number {
    return this.#inner.meters;
  }

  get refusedFull(): number {
    return this.#inner.refusedFull;
  }

  #shares(tenant: string, keyId: string, spends: readonly LimitSpend[]): readonly LimitSpend[] {
    const processes = Math.max(1, this.#deps.processes());
    return spends.map((spend) => {
      const share = { ...spend, limit: Math.max(1, Math.floor(spend.limit / processes)) };
      const name = `${tenant}:${keyId}:${spend.name}`;
      if (!this.#begun.has(name) && this.#begun.size < MAX_BEGUN_LIMITS) {
        this.#begun.add(name);
        const used = this.#deps.used(tenant, keyId, spend) ?? 0;
        const [state] = this.#inner.peek(tenant, keyId, [{ ...share, cost: 0 }]).limits;
        // What an outage before has left counts as well, once.
        const cost = Math.min(
          state!.remaining,
          (used * share.limit) / spend.limit - share.limit + state!.remaining,
        );
        if (cost > 0) this.#inner.take(tenant, keyId, [{ ...share, cost }]);
      }
      return share;
    });
  }
}

/** As the caller named the limits; units and seconds are those of the share. */
function wholeAnswer(spends: readonly LimitSpend[], answer: LimitAnswer): LimitAnswer {
  return {
    admitted: answer.admitted,
    limits: answer.limits.map((state, i) => {
      const { limit, cost } = spends[i]!;
      const never = state.retryAfterSeconds === null && cost <= limit;
      return { ...state, limit, ...(never ? { retryAfterSeconds: RETRY_AFTER_SECONDS } : {}) };
    }),
  };
}
