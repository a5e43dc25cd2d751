/** Who calls our own API: a management or a flags key, by the same rule and cache as every other key. */
import { judge } from '../../commands/keys/verdict.ts';
import type { Peppers } from '../../commands/peppers.ts';
import type { TenantId } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import type { KeyEnvironment, KeyUse } from '../../schemas/values.ts';
import type { KeyEntry } from './key-entry.ts';
import type { KeyFacts } from './key-facts.ts';
import { locateOwn } from './locate-key.ts';
import { matches } from './match-secret.ts';
import type { RecordUsage } from './verify-key.ts';

export interface Authenticated {
  readonly tenant: TenantId;
  readonly keyId: string;
  readonly use: KeyUse;
  /** Of a flags key: whose flags it reads. */
  readonly environment: KeyEnvironment | null;
  /** Whom the key belongs to. */
  readonly ownerId: string | null;
  /** As the key carries them, wildcards included. */
  readonly permissions: readonly string[];
}

export interface AuthenticateDeps {
  readonly facts: KeyFacts;
  readonly peppers: Peppers;
  readonly record: RecordUsage;
  nowMs(): number;
}

/** Who sent the request, and which one. */
export interface Peer {
  /** A key that is limited to addresses is refused without one. */
  readonly ip?: string;
  /** The route's template; without one the use is not counted. */
  readonly route?: string;
  readonly traceId?: string | null;
}

const MANAGEMENT: readonly KeyUse[] = ['management'];

/**
 * At once when the facts are cached.
 *
 * @param uses that are let in
 *
 * Throws `PlinthError`: `credential_invalid` (which does not say why), `tenant_suspended`, `stream_parked`,
 * `verify_stale` or `log_epoch_changed`.
 */
export function authenticate(
  deps: AuthenticateDeps,
  text: string,
  peer: Peer = {},
  uses: readonly KeyUse[] = MANAGEMENT,
): Authenticated | Promise<Authenticated> {
  const located = locateOwn(text);
  if (located === null || located === 'foreign') {
    matches(deps.peppers, null, text, 0);
    throw invalid();
  }
  const entry = deps.facts.now(located.name);
  if (entry !== undefined) return admit(deps, entry, text, peer, uses);
  return deps.facts
    .fetch(located.name, located.lookup)
    .then((fetched) => admit(deps, fetched, text, peer, uses));
}

/**
 * Whether a key whose secret was checked before is good now, from wherever it is used: for what goes on since
 * then. Throws `PlinthError` `verify_stale` or `log_epoch_changed`.
 */
export function isStillGood(
  { facts, nowMs }: Pick<AuthenticateDeps, 'facts' | 'nowMs'>,
  keyId: string,
): boolean | Promise<boolean> {
  const judged = (entry: KeyEntry) => {
    const code = judge(entry, {}, nowMs());
    return code === null || code === 'FORBIDDEN';
  };
  const entry = facts.now(keyId);
  return entry ? judged(entry) : facts.fetch(keyId, { keyId }).then(judged);
}

function admit(
  deps: AuthenticateDeps,
  entry: KeyEntry,
  text: string,
  peer: Peer,
  uses: readonly KeyUse[],
): Authenticated {
  const nowMs = deps.nowMs();
  const { key } = entry;
  if (!matches(deps.peppers, entry, text, nowMs) || key === null || !uses.includes(key.use)) throw invalid();
  const code = judge(entry, peer, nowMs);
  if (peer.route !== undefined) {
    deps.record(key.tenant, key.keyId, code ?? 'VALID', peer.route, peer.traceId ?? null);
  }
  if (code === 'STREAM_PARKED') {
    throw new PlinthError('stream_parked', 'Events of this key, its owner or its tenant could not be read.');
  }
  if (code === 'TENANT_SUSPENDED')
    throw new PlinthError('tenant_suspended', 'The tenant of this key is suspended.');
  if (code !== null) throw invalid();
  const { keyId, use, environment, ownerId, permissions } = key;
  return { tenant: key.tenant as TenantId, keyId, use, environment, ownerId, permissions };
}

function invalid(): PlinthError {
  return new PlinthError(
    'credential_invalid',
    'The key is unknown, revoked, disabled or expired, or is not of the use that this route takes.',
  );
}
