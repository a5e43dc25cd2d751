/** What a limiter answers of one limit. */
import type { LimitSpend, LimitState } from '../../api/verify/limiter.ts';
import { admits, remainingUnits, resetSeconds, retryAfterSeconds } from '../../commands/keys/gcra.ts';

/** @param used units in the bucket now; @param cost what is asked for on top of them */
export function limitState(spend: LimitSpend, used: number, cost: number): LimitState {
  return {
    name: spend.name,
    limit: spend.limit,
    windowSeconds: spend.windowSeconds,
    remaining: remainingUnits(used, spend),
    resetSeconds: resetSeconds(used, spend),
    admits: admits(used, spend, cost),
    retryAfterSeconds: retryAfterSeconds(used, spend, cost),
  };
}
