/** Why a key is judged as it is: every check of `judge`, told. */
import type { VerifyCode } from '../../schemas/verify-codes.ts';
import type { VerdictCheck } from '../../schemas/views/keys.ts';
import { isRevoked, isRevokedByOwner } from './is-revoked.ts';
import type { KeyState } from './key-state.ts';
import { tellScopes } from './tell-scopes.ts';
import { judge, type VerdictFacts, type VerdictRequest } from './verdict.ts';

export interface Explanation {
  readonly code: VerifyCode;
  /** All in the order judged, those after the first failure too; one alone where there is no such key. */
  readonly checks: readonly VerdictCheck[];
}

/** Credits and limits are not part of it: nothing in the log says what was left of them. */
export function explainVerdict(facts: VerdictFacts, request: VerdictRequest, nowMs: number): Explanation {
  const code = judge(facts, request, nowMs) ?? 'VALID';
  const { key } = facts;
  if (key === null || key.version === 0) {
    return { code, checks: [{ name: 'exists', passed: false, code, detail: 'there is no such key' }] };
  }
  const checks = lenient(key, facts, request).map(({ name, code, facts, request, detail }) => {
    const passed = judge(facts, request, nowMs) !== code;
    return { name, passed, code, detail: typeof detail === 'string' ? detail : detail(passed) };
  });
  return { code, checks };
}

interface Alone {
  readonly name: string;
  readonly code: VerifyCode;
  readonly facts: VerdictFacts;
  readonly request: VerdictRequest;
  readonly detail: string | ((passed: boolean) => string);
}

/**
 * Each check by itself: the same judge, asked about a key that has nothing else to fail on. So there is no
 * second wording of a rule that could come to differ from it.
 */
function lenient(key: KeyState, facts: VerdictFacts, request: VerdictRequest): Alone[] {
  const plain: KeyState = {
    ...key,
    ownerId: null,
    disabled: false,
    revokedAtMs: null,
    expired: false,
    notBeforeMs: null,
    expiresAtMs: null,
    allowedIps: [],
  };
  const easy: VerdictFacts = { key: plain, owner: facts.owner, suspended: false, parked: false };
  const with_ = (part: Partial<KeyState>): VerdictFacts => ({ ...easy, key: { ...plain, ...part } });
  const { ownerId, revokedAtMs, notBeforeMs, expiresAtMs, allowedIps } = key;
  return [
    { name: 'exists', code: 'NOT_FOUND', facts: easy, request: {}, detail: `${key.keyId} exists` },
    {
      name: 'readable',
      code: 'STREAM_PARKED',
      facts: { ...easy, parked: facts.parked },
      request: {},
      detail: (passed) =>
        passed ? 'all of its events are known' : 'events of it, its owner or its tenant could not be read',
    },
    {
      name: 'tenant',
      code: 'TENANT_SUSPENDED',
      facts: { ...easy, suspended: facts.suspended },
      request: {},
      detail: (passed) => `the tenant is ${passed ? 'active' : 'suspended'}`,
    },
    {
      name: 'revocation',
      code: 'REVOKED',
      facts: with_({ ownerId, revokedAtMs }),
      request: {},
      detail: tellRevoked(key, facts),
    },
    {
      name: 'enabled',
      code: 'DISABLED',
      facts: with_({ disabled: key.disabled }),
      request: {},
      detail: (passed) => `it is ${passed ? 'enabled' : 'disabled'}`,
    },
    {
      name: 'not before',
      code: 'NOT_YET_VALID',
      facts: with_({ notBeforeMs }),
      request: {},
      detail:
        notBeforeMs === null ? 'it is valid from its issue on' : `it is valid from ${iso(notBeforeMs)} on`,
    },
    {
      name: 'expiry',
      code: 'EXPIRED',
      facts: with_({ expiresAtMs, expired: key.expired }),
      request: {},
      detail: expiresAtMs === null ? 'it does not expire' : `it is valid until ${iso(expiresAtMs)}`,
    },
    {
      name: 'address',
      code: 'FORBIDDEN',
      facts: with_({ allowedIps }),
      request: { ip: request.ip },
      detail: (passed) => tellAddress(key, request, passed),
    },
    {
      name: 'scopes',
      code: 'INSUFFICIENT_PERMISSIONS',
      facts: easy,
      request: { scopes: request.scopes },
      detail:
        request.scopes === undefined
          ? 'no scopes were asked for'
          : `asked for ${tellScopes(request.scopes)}; it holds ${key.scopes.join(', ') || 'none'}`,
    },
  ];
}

function tellAddress(key: KeyState, { ip }: VerdictRequest, passed: boolean): string {
  if (key.allowedIps.length === 0) return 'every address may use it';
  if (ip === undefined) return 'it is limited to addresses, and none was given';
  return `${ip} is ${passed ? '' : 'not '}one of its addresses`;
}

function tellRevoked(key: KeyState, { owner }: VerdictFacts): string {
  if (!isRevoked(key, owner)) return 'it is not revoked';
  if (key.revokedAtMs !== null) return `it was revoked at ${iso(key.revokedAtMs)} (${key.revokedCause})`;
  return isRevokedByOwner(key, owner)
    ? `all keys of its owner were revoked at ${iso(owner.revokedAllAtMs)}: version ${owner.revokedAllVersion} of the owner, after version ${key.ownerVersion} that its issue relied on`
    : 'it is revoked';
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
