/**
 * Is this key good for this, now? Facts that are fresh enough to trust, then one closed code, in the
 * order of `schemas/verify-codes.ts`; and only a VALID answer spends anything.
 */

import type { KeyState } from '../../commands/keys/key-state.ts';
import { judge } from '../../commands/keys/verdict.ts';
import type { Peppers } from '../../commands/peppers.ts';
import type { VerifyKey } from '../../schemas/commands/verify.ts';
import type { Position, TenantId } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import type { VerifyCode } from '../../schemas/verify-codes.ts';
import type { VerifyFault, VerifyView } from '../../schemas/views/verify.ts';
import { LeaseRefused } from './credit-blocks.ts';
import type { KeyEntry } from './key-entry.ts';
import type { KeyFacts } from './key-facts.ts';
import type { LimitState } from './limiter.ts';
import { type Located, locateForeign, locateOwn } from './locate-key.ts';
import { matches } from './match-secret.ts';
import type { RequestMemo } from './request-memo.ts';
import { type Cost, costOf, type Purse, peek, type Spending, secondsUntil, spend } from './spend.ts';

/** Counts one decision on a key that the caller has shown to be its own. */
export type RecordUsage = (
  tenant: string,
  keyId: string,
  code: VerifyCode,
  route: string,
  traceId: string | null,
) => void;

export interface VerifyDeps {
  readonly facts: KeyFacts;
  readonly peppers: Peppers;
  readonly purse: Purse;
  readonly memo: RequestMemo<Spending>;
  /** The place of the log that is known now, for answers that rest on no key. */
  readonly place: () => string;
  readonly record: RecordUsage;
  /** A key that nobody has was verified: nobody's usage, but somebody should see how many there are. */
  readonly onUnknown?: (() => void) | undefined;
  /** The log's head by its leader, asked now. */
  readonly head: () => Promise<Position>;
}

/** Who asks, and how. */
export interface VerifyContext {
  /** The caller's: another tenant's key is NOT_FOUND. */
  readonly tenant: TenantId;
  readonly route: string;
  readonly traceId: string | null;
  /** Facts must have reached this position (read your writes). */
  readonly atLeast?: Position;
}

/**
 * At once when the facts are cached and nothing has to be waited for.
 *
 * Throws `PlinthError`: `verify_stale`, `log_epoch_changed`, `unknown_limit`, `request_id_reused`,
 * `unavailable` or `overloaded`.
 */
export function verifyKey(
  deps: VerifyDeps,
  context: VerifyContext,
  request: VerifyKey,
): VerifyView | Promise<VerifyView> {
  const own = locateOwn(request.key);
  if (own === null) {
    matches(deps.peppers, null, request.key, 0);
    deps.onUnknown?.();
    return unknown(deps.place());
  }
  const located = own === 'foreign' ? locateForeign(deps.peppers, context.tenant, request.key) : own;
  const entry = deps.facts.now(located.name, context.atLeast);
  if (entry !== undefined) return answer(deps, context, request, located, entry);
  return deps.facts
    .fetch(located.name, located.lookup, context.atLeast)
    .then((fetched) => answer(deps, context, request, located, fetched));
}

/** Each judged alone: one that cannot be judged does not fail the others. */
export function verifyMany(
  deps: VerifyDeps,
  context: VerifyContext,
  requests: readonly VerifyKey[],
): Promise<(VerifyView | VerifyFault)[]> {
  return Promise.all(
    requests.map(async (request) => {
      try {
        return await verifyKey(deps, context, request);
      } catch (error) {
        return faultOf(error);
      }
    }),
  );
}

function faultOf(error: unknown): VerifyFault {
  if (!(error instanceof PlinthError)) {
    return { error: { code: 'internal', detail: 'This one could not be judged.', retryAfterSeconds: null } };
  }
  const { code, detail, extra } = error.rejection;
  const retryAfterSeconds = typeof extra?.retryAfterSeconds === 'number' ? extra.retryAfterSeconds : null;
  return { error: { code, detail, retryAfterSeconds } };
}

function answer(
  deps: VerifyDeps,
  context: VerifyContext,
  request: VerifyKey,
  located: Located,
  entry: KeyEntry,
): VerifyView | Promise<VerifyView> {
  const { key } = entry;
  const nowMs = deps.purse.nowMs();
  const matched = matches(deps.peppers, entry, request.key, nowMs);
  // A management key is never verified: one that strayed into a caller's hands opens nothing of the tenant's.
  if (key === null || key.tenant !== context.tenant || key.use !== 'api') {
    deps.onUnknown?.();
    return unknown(entry.position);
  }
  const tell = (view: VerifyView): VerifyView => {
    deps.record(key.tenant, key.keyId, view.code, context.route, context.traceId);
    return view;
  };
  if (!matched) return tell(unknown(entry.position));

  const denied = judge(entry, request, nowMs);
  if (denied !== null && denied !== 'INSUFFICIENT_PERMISSIONS') {
    return tell(denial(entry, denied, nowMs));
  }
  const cost = costOf(key, request);
  if (denied !== null) {
    return peek(deps.purse, key, cost).then((looked) =>
      tell(
        looked.code === 'VALID'
          ? viewOf(entry, denied, { ...looked, retryAfterSeconds: null })
          : viewOf(entry, looked.code, looked),
      ),
    );
  }

  const rejudge = async (): Promise<VerifyCode | null> => {
    const again =
      deps.facts.now(located.name, context.atLeast) ??
      (await deps.facts.fetch(located.name, located.lookup, context.atLeast));
    if (again === entry) return null;
    const laterMs = deps.purse.nowMs();
    return matches(deps.peppers, again, request.key, laterMs) ? judge(again, request, laterMs) : 'NOT_FOUND';
  };
  const spending = spendOnce(deps, context, request, key, cost, rejudge);
  const settle = (result: Spending): VerifyView =>
    tell(result.code === 'NOT_FOUND' ? unknown(entry.position) : viewOf(entry, result.code, result));
  if (!(spending instanceof Promise)) return settle(spending);
  return spending.then(settle, async (error: unknown) => {
    if (!(error instanceof LeaseRefused)) throw error;
    // The decider knows of a change that our facts do not: what the log says now is the answer.
    const now = await deps.facts.fetch(located.name, located.lookup, await deps.head());
    const nowMs = deps.purse.nowMs();
    if (!matches(deps.peppers, now, request.key, nowMs)) return tell(unknown(now.position));
    const code = judge(now, request, nowMs);
    if (code === null) throw error;
    return tell(denial(now, code, nowMs));
  });
}

/** Under a request id at most once. */
function spendOnce(
  deps: VerifyDeps,
  context: VerifyContext,
  request: VerifyKey,
  key: KeyState,
  cost: Cost,
  rejudge: () => Promise<VerifyCode | null>,
): Spending | Promise<Spending> {
  const go = () => spend(deps.purse, key, cost, rejudge);
  if (request.requestId === undefined) return go();
  // Of the request, not of the key: a limit added meanwhile does not make a retry another request.
  const limits = request.limits?.map((limit) => `${limit.name}=${limit.cost ?? 1}`).join(' ') ?? 'all';
  const fingerprint = `${key.keyId} ${request.credits?.cost ?? 1} ${limits}`;
  const result = deps.memo.once(`${context.tenant} ${request.requestId}`, fingerprint, go, isSpent);
  if (result !== 'reused') return result;
  throw new PlinthError('request_id_reused', 'This requestId came with another key, limits or cost before.');
}

function isSpent(spending: Spending): boolean {
  return spending.code === 'VALID';
}

/** Tells nothing, not even whether there is such a key. */
function unknown(position: string): VerifyView {
  return {
    valid: false,
    code: 'NOT_FOUND',
    keyId: null,
    ownerId: null,
    use: null,
    mode: null,
    scopes: [],
    limits: [],
    credits: null,
    position,
    retryAfterSeconds: null,
  };
}

function denial(entry: KeyEntry, code: VerifyCode, nowMs: number): VerifyView {
  const notBeforeMs = entry.key?.notBeforeMs ?? null;
  const retryAfterSeconds =
    code === 'NOT_YET_VALID' && notBeforeMs !== null ? secondsUntil(notBeforeMs, nowMs) : null;
  const creditsRemaining = entry.key?.credits?.remaining ?? null;
  return viewOf(entry, code, { limits: [], creditsRemaining, retryAfterSeconds });
}

function viewOf(
  entry: KeyEntry,
  code: VerifyCode,
  spending: Pick<Spending, 'limits' | 'creditsRemaining' | 'retryAfterSeconds'>,
): VerifyView {
  const key = entry.key!;
  return {
    valid: code === 'VALID',
    code,
    keyId: key.keyId,
    ownerId: key.ownerId,
    use: key.use,
    mode: key.mode,
    scopes: key.scopes as string[],
    limits: spending.limits.map(limitView),
    credits: spending.creditsRemaining === null ? null : { remaining: spending.creditsRemaining },
    position: entry.position,
    retryAfterSeconds: spending.retryAfterSeconds,
  };
}

function limitView({ name, limit, windowSeconds, remaining, resetSeconds }: LimitState) {
  return { name, limit, windowSeconds, remaining, resetSeconds };
}
