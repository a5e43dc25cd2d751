/**
 * The one place where a key is judged by its facts: what limits and credits say comes after. Verify asks
 * for the first code that denies; `asOf` explains every check.
 */
import type { ScopeQuery } from '../../schemas/commands/verify.ts';
import type { VerifyCode } from '../../schemas/verify-codes.ts';
import { ipMatches } from './allowed-ips.ts';
import { isRevoked } from './is-revoked.ts';
import type { KeyState } from './key-state.ts';
import type { OwnerState } from './owner-state.ts';
import { scopesSatisfy } from './scope-query.ts';

export interface VerdictFacts {
  /** Null: there is no such key. */
  readonly key: KeyState | null;
  readonly owner: OwnerState;
  /** The tenant is suspended. */
  readonly suspended: boolean;
  /** The key's, owner's or tenant's stream is parked. */
  readonly parked: boolean;
}

export interface VerdictRequest {
  readonly scopes?: ScopeQuery;
  readonly ip?: string;
}

/** The first code that denies, in the order of `verifyCodes`, or null. Allocates nothing. */
export function judge(facts: VerdictFacts, request: VerdictRequest, nowMs: number): VerifyCode | null {
  const { key } = facts;
  if (key === null || key.version === 0) return 'NOT_FOUND';
  if (facts.parked) return 'STREAM_PARKED';
  if (facts.suspended) return 'TENANT_SUSPENDED';
  if (isRevoked(key, facts.owner)) return 'REVOKED';
  if (key.disabled) return 'DISABLED';
  if (key.notBeforeMs !== null && nowMs < key.notBeforeMs) return 'NOT_YET_VALID';
  if (key.expired || (key.expiresAtMs !== null && nowMs >= key.expiresAtMs)) return 'EXPIRED';
  if (key.allowedIps.length > 0 && !(request.ip !== undefined && ipMatches(key.allowedIps, request.ip))) {
    return 'FORBIDDEN';
  }
  // Credits and limits, which only verify knows, stand between these two.
  if (request.scopes !== undefined && !scopesSatisfy(request.scopes, key.scopes)) {
    return 'INSUFFICIENT_PERMISSIONS';
  }
  return null;
}
