/** How a key is shown, whoever folded it: a command, a projection or `asOf`. */
import type { KeyStatus, KeyView } from '../../schemas/views/keys.ts';
import { dueRefill } from './due-refill.ts';
import { isRevoked, isRevokedByOwner } from './is-revoked.ts';
import type { KeyState } from './key-state.ts';
import type { OwnerState } from './owner-state.ts';

type Standing = Pick<
  KeyState,
  'revokedAtMs' | 'ownerId' | 'ownerVersion' | 'disabled' | 'notBeforeMs' | 'expiresAtMs' | 'expired'
>;

/** The first of `keyStatuses` that holds at `nowMs`. */
export function keyStatus(
  key: Standing,
  owner: Pick<OwnerState, 'revokedAllVersion'>,
  nowMs: number,
): KeyStatus {
  if (isRevoked(key, owner)) return 'revoked';
  if (key.disabled) return 'disabled';
  if (key.notBeforeMs !== null && nowMs < key.notBeforeMs) return 'not_yet_valid';
  if (key.expired || (key.expiresAtMs !== null && nowMs >= key.expiresAtMs)) return 'expired';
  return 'active';
}

export function keyView(key: KeyState, owner: OwnerState, nowMs: number): KeyView {
  const byOwner = key.revokedAtMs === null && isRevokedByOwner(key, owner);
  return {
    id: key.keyId,
    version: key.version,
    status: keyStatus(key, owner, nowMs),
    use: key.use,
    environment: key.environment,
    mode: key.mode,
    format: key.format,
    ownerId: key.ownerId,
    name: key.name,
    metadata: key.metadata as KeyView['metadata'],
    scopes: [...key.scopes],
    permissions: [...key.permissions],
    limits: [...key.limits],
    // A refill that has fallen due counts, though it is written only with the next lease.
    credits: key.credits && {
      remaining: dueRefill(key.credits, nowMs)?.remaining ?? key.credits.remaining,
      refill: key.credits.refill,
    },
    expiresAt: instant(key.expiresAtMs),
    notBefore: instant(key.notBeforeMs),
    allowedIps: [...key.allowedIps],
    disabled: key.disabled,
    revokedAt: instant(byOwner ? owner.revokedAllAtMs : key.revokedAtMs),
    revokedCause: byOwner ? 'owner' : key.revokedCause,
    leakReportedAt: instant(key.leakReportedAtMs),
    secrets: key.secrets.map((secret) => ({
      hint: secret.hint,
      createdAt: new Date(secret.createdAtMs).toISOString(),
      validUntil: instant(secret.validUntilMs),
    })),
    createdAt: new Date(key.createdAtMs).toISOString(),
    createdBy: key.createdBy,
    updatedAt: new Date(key.updatedAtMs).toISOString(),
  };
}

function instant(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
