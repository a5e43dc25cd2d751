import type { OwnerEvent } from '../../schemas/events/keys.ts';
import type { Fact } from '../decider.ts';

/** A key is revoked when the owner version that its issue relied on is below the latest revoke-all. */
export interface OwnerState {
  readonly version: number;
  /** Version of the latest `owner.keys-revoked`; 0 if none. */
  readonly revokedAllVersion: number;
  readonly revokedAllAtMs: number;
}

export const noOwner: OwnerState = { version: 0, revokedAllVersion: 0, revokedAllAtMs: 0 };

export function evolveOwner(state: OwnerState, event: Fact<OwnerEvent>): OwnerState {
  if (event.type !== 'owner.keys-revoked') return { ...state, version: event.version };
  return { version: event.version, revokedAllVersion: event.version, revokedAllAtMs: event.timeMs };
}
