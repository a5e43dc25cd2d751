/**
 * Follows up a revoke-all: writes `key.revoked` on each of the owner's keys. They are revoked already, by
 * the owner's event alone; this makes every key's own stream say so.
 */

import type { KeyDeps } from '../commands/keys/key-command.ts';
import { revokeOwnedKey } from '../commands/keys/revoke-owned-key.ts';
import type { Reactor } from '../commands/reactor.ts';
import { keyStream } from '../commands/streams.ts';
import { unlessParked } from '../commands/unless-parked.ts';
import type { DecodedEvent, Position, TenantId } from '../schemas/envelope.ts';
import type { OwnerEvent } from '../schemas/events/keys.ts';

export interface OwnedKeysRequest {
  readonly limit: number;
  /** `next` of the page before; null: the first. */
  readonly after: Position | null;
  /** The read model must have reached this position: keys issued before it must be seen. */
  readonly atLeast: Position;
}

/** Keys of an owner, page by page. */
export type KeysOfOwner = (
  tenant: TenantId,
  ownerId: string,
  page: OwnedKeysRequest,
) => Promise<{ readonly items: readonly { readonly keyId: string }[]; readonly next: Position | null }>;

/** Also how many are revoked at once. */
const PAGE_KEYS = 16;

/** Part of its command ids, and the name of its checkpoint. */
export const OWNER_REVOCATION = 'owner-revocation';

/** A key issued after a revoke-all is left alone: the command names the revoke-all's version. */
export function ownerRevocation(deps: KeyDeps, keysOfOwner: KeysOfOwner): Reactor {
  return {
    name: OWNER_REVOCATION,
    types: new Set<OwnerEvent['type']>(['owner.keys-revoked']),
    async react(event, commandId) {
      const { ownerId, reason } = (event as DecodedEvent & OwnerEvent).data;
      const tenant = event.metadata.tenant as TenantId;
      let after: Position | null = null;
      do {
        const page = await keysOfOwner(tenant, ownerId, { after, limit: PAGE_KEYS, atLeast: event.position });
        after = page.next;
        await Promise.all(
          page.items.map(async ({ keyId }) => {
            const context = {
              commandId: commandId(keyStream(keyId), 0),
              tenant,
              actor: 'system:owner-revocation',
              requestDigest: null,
              correlationId: event.metadata.correlationId,
              causationId: event.id,
              traceparent: event.metadata.traceparent,
            };
            const command = { keyId, ownerId, reason, revokeAllVersion: event.version };
            // A key whose stream waits for an operator is denied meanwhile, and revoked by its owner afterwards:
            // no other tenant's keys wait for it.
            const outcome = await unlessParked(revokeOwnedKey(deps, context, command));
            // Nothing refuses it but too many writers at once: that is tried again.
            if (outcome?.kind === 'rejected') throw new Error(`${keyId}: ${outcome.rejection.detail}`);
          }),
        );
      } while (after !== null);
    },
  };
}
