import type { KeyState } from './key-state.ts';
import type { OwnerState } from './owner-state.ts';

/**
 * The one rule by which a key is revoked: by its own event, or because its owner's keys were all revoked
 * after the version of the owner that its issue relied on. Verify, views, `asOf` and every command ask
 * here. `owner`: `noOwner` for a key without one.
 */
export function isRevoked(
  key: Pick<KeyState, 'revokedAtMs' | 'ownerVersion' | 'ownerId'>,
  owner: Pick<OwnerState, 'revokedAllVersion'>,
): boolean {
  return key.revokedAtMs !== null || isRevokedByOwner(key, owner);
}

export function isRevokedByOwner(
  key: Pick<KeyState, 'ownerVersion' | 'ownerId'>,
  owner: Pick<OwnerState, 'revokedAllVersion'>,
): boolean {
  return key.ownerId !== null && key.ownerVersion < owner.revokedAllVersion;
}
