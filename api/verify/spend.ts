/** Spending: credits and all named limits, or nothing at all. */
import type { KeyState } from '../../commands/keys/key-state.ts';
import type { VerifyKey } from '../../schemas/commands/verify.ts';
import { type FieldFault, PlinthError } from '../../schemas/errors.ts';
import type { VerifyCode } from '../../schemas/verify-codes.ts';
import type { CreditBlocks, Spent } from './credit-blocks.ts';
import type { LimitAnswer, Limiter, LimitSpend, LimitState } from './limiter.ts';

export interface Spending {
  /** Only VALID has spent something. */
  readonly code: VerifyCode;
  readonly limits: readonly LimitState[];
  /** Null: the key has no credits. */
  readonly creditsRemaining: number | null;
  readonly retryAfterSeconds: number | null;
}

export interface Purse {
  readonly limiter: Limiter;
  readonly credits: CreditBlocks;
  nowMs(): number;
}

export interface Cost {
  readonly limits: readonly LimitSpend[];
  readonly credits: number;
}

/** What a request asks to spend of this key. Throws `PlinthError` `unknown_limit`. */
export function costOf(key: KeyState, request: Pick<VerifyKey, 'limits' | 'credits'>): Cost {
  const credits = key.credits === null ? 0 : (request.credits?.cost ?? 1);
  if (request.limits === undefined) {
    return { credits, limits: key.limits.map((limit) => ({ ...limit, cost: 1 })) };
  }
  const unknown: FieldFault[] = [];
  const limits: LimitSpend[] = [];
  for (const [index, { name, cost }] of request.limits.entries()) {
    const limit = key.limits.find((candidate) => candidate.name === name);
    if (limit) limits.push({ ...limit, cost: cost ?? 1 });
    else unknown.push({ field: `limits[${index}].name`, message: `the key has no limit "${name}"` });
  }
  if (unknown.length > 0) {
    const names = unknown.map(({ message }) => message).join('; ');
    throw new PlinthError('unknown_limit', `${names}.`, { errors: unknown });
  }
  return { credits, limits };
}

/**
 * Spends, at once where credits are at hand and the limiter is in this process.
 *
 * @param rejudge is asked when credits had to be waited for, for the facts may have grown too old
 *   meanwhile: the code that denies now, and then nothing is spent, or null
 */
export function spend(
  purse: Purse,
  key: KeyState,
  cost: Cost,
  rejudge: () => Promise<VerifyCode | null>,
): Spending | Promise<Spending> {
  if (cost.credits === 0) return spendLimits(purse, key, cost, null);
  const spent = purse.credits.spend(key, cost.credits);
  if (!(spent instanceof Promise)) return spendLimits(purse, key, cost, spent);
  const denied = (code: VerifyCode): Spending => {
    return { code, limits: [], creditsRemaining: purse.credits.remaining(key), retryAfterSeconds: null };
  };
  return spent.then(
    async (late) => {
      let code: VerifyCode | null;
      try {
        code = await rejudge();
      } catch (error) {
        if (late.ok) late.undo();
        throw error;
      }
      if (code === null) return spendLimits(purse, key, cost, late);
      if (late.ok) late.undo();
      return denied(code);
    },
    async (error: unknown) => {
      const code = await rejudge();
      if (code === null) throw error;
      return denied(code);
    },
  );
}

/** What spending would answer, with nothing spent: tells which denial comes first. */
export async function peek(purse: Purse, key: KeyState, cost: Cost): Promise<Spending> {
  const spent = cost.credits === 0 ? null : await purse.credits.peek(key, cost.credits);
  const answer = await purse.limiter.peek(key.tenant, key.keyId, cost.limits);
  return settle(purse, key, spent, answer);
}

function spendLimits(
  purse: Purse,
  key: KeyState,
  cost: Cost,
  spent: Spent | null,
): Spending | Promise<Spending> {
  const { limiter } = purse;
  if (cost.limits.length === 0) return settle(purse, key, spent, noLimits);
  const ask = spent?.ok === false ? 'peek' : 'take';
  const answer = limiter[ask](key.tenant, key.keyId, cost.limits);
  if (answer instanceof Promise) {
    return answer.then(
      (late) => settleSpent(purse, key, spent, late),
      (error: unknown) => {
        if (spent?.ok) spent.undo();
        throw error;
      },
    );
  }
  return settleSpent(purse, key, spent, answer);
}

const noLimits: LimitAnswer = { admitted: true, limits: [] };

function settleSpent(purse: Purse, key: KeyState, spent: Spent | null, answer: LimitAnswer): Spending {
  if (spent?.ok && !answer.admitted) spent.undo();
  return settle(purse, key, spent, answer);
}

function settle(purse: Purse, key: KeyState, spent: Spent | null, answer: LimitAnswer): Spending {
  const { limits } = answer;
  const creditsRemaining = key.credits === null ? null : purse.credits.remaining(key);
  if (spent?.ok === false) {
    const retryAfterSeconds = spent.retryAtMs === null ? null : secondsUntil(spent.retryAtMs, purse.nowMs());
    return { code: 'USAGE_EXCEEDED', limits, creditsRemaining, retryAfterSeconds };
  }
  if (answer.admitted) return { code: 'VALID', limits, creditsRemaining, retryAfterSeconds: null };
  let retryAfterSeconds: number | null = 0;
  for (const limit of limits) {
    if (limit.admits || retryAfterSeconds === null) continue;
    // One that never admits the cost makes waiting useless.
    retryAfterSeconds =
      limit.retryAfterSeconds === null ? null : Math.max(retryAfterSeconds, limit.retryAfterSeconds);
  }
  return { code: 'RATE_LIMITED', limits, creditsRemaining, retryAfterSeconds };
}

export function secondsUntil(atMs: number, nowMs: number): number {
  return Math.max(1, Math.ceil((atMs - nowMs) / 1000));
}
