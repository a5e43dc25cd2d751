/**
 * The read model that verify trusts, in the order of the log (`key_list` is what management lists): keys,
 * the digests by which foreign ones are found, their owners' revoke-alls, their tenants' standing. Neither
 * names nor metadata, so that nothing in it is an erasure's to blank; nor is any of them opened for it, so
 * that neither a damaged one nor a key store that is away can hold back a revocation that is in the log.
 *
 * A batch costs the same number of statements however many events it has: the rows of its keys are loaded
 * in one, evolved in memory, and written in one a table. Each table follows one kind of stream, so that a
 * parked stream that is replayed late leaves the rows that a rebuild makes. That a key is revoked through
 * its owner is never written down: queries join it (`isRevoked`).
 */
import {
  keyEvents,
  ownerEvents,
  type PublicKeyEvent,
  type PublicOwnerEvent,
} from '../../schemas/events/keys.ts';
import { type PublicTenantEvent, tenantEvents } from '../../schemas/events/tenants.ts';
import type { Projection } from '../projection.ts';
import { upsertEach } from '../upsert-rows.ts';
import { writeDigests } from './digest-rows.ts';
import { foldKeys } from './fold-keys.ts';
import { createKeysTables, keysTables } from './keys-tables.ts';
import { leanKeys, leanRowOf, leanTarget } from './lean-keys.ts';
import { foldOwners } from './owner-rows.ts';
import { foldTenants } from './tenant-rows.ts';

export const keysProjection: Projection = {
  name: 'keys',
  revision: 4,
  order: 'log',
  types: new Set([keyEvents, ownerEvents, tenantEvents].flatMap(Object.keys)),
  tables: keysTables,
  reads: 'public',
  publishesChanges: true,
  create: createKeysTables,
  async apply(tx, tables, events) {
    const keys = events.filter((e) => e.type in keyEvents) as PublicKeyEvent[];
    await foldTenants(tx, tables, events.filter((e) => e.type in tenantEvents) as PublicTenantEvent[]);
    await foldOwners(tx, tables, events.filter((e) => e.type in ownerEvents) as PublicOwnerEvent[]);
    const { before, after } = await foldKeys(leanKeys, tx, tables, keys);
    await upsertEach(tx, leanTarget(tables), [...after.values()], leanRowOf);
    await writeDigests(tx, tables, before, after);
  },
};
