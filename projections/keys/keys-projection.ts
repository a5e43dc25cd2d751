/**
 * The read model that verify trusts, in the order of the log (`key_list` is what management lists): keys,
 * the digests by which foreign ones are found, their owners' revoke-alls and erasures, their tenants'
 * standing.
 *
 * A batch costs the same number of statements however many events it has: the rows of its keys are loaded
 * in one, evolved in memory, and written in one a table. Each table follows one kind of stream, and the one
 * rule across them (an erasure blanks what was set before it) holds in either order, so that a parked
 * stream that is replayed late leaves the rows that a rebuild makes. That a key is revoked through its
 * owner is never written down: queries join it (`isRevoked`).
 */
import { evolveOwner } from '../../commands/keys/owner-state.ts';
import { type Decoded, START } from '../../schemas/envelope.ts';
import {
  type DecodedKeyEvent,
  type DecodedOwnerEvent,
  keyEvents,
  ownerEvents,
} from '../../schemas/events/keys.ts';
import { type DecodedSubjectEvent, subjectEvents } from '../../schemas/events/subjects.ts';
import { type DecodedTenantEvent, tenantEvents } from '../../schemas/events/tenants.ts';
import { BrokenStream } from '../broken-stream.ts';
import type { Projection, Tables, Tx } from '../projection.ts';
import { upsertEach, upsertRows } from '../upsert-rows.ts';
import { writeDigests } from './digest-rows.ts';
import { eraseOwner } from './erase-owner.ts';
import { type Folded, foldKeys } from './fold-keys.ts';
import { blankErased, rowOf, type StoredKey } from './key-rows.ts';
import { createKeysTables, keysTables, keysTarget, ownersTarget } from './keys-tables.ts';
import {
  latestErasure,
  loadOwners,
  type OwnerRef,
  ownerKey,
  ownerRowOf,
  type StoredOwner,
} from './owner-rows.ts';
import { foldTenants } from './tenant-rows.ts';

export const keysProjection: Projection = {
  name: 'keys',
  revision: 1,
  order: 'log',
  types: new Set([keyEvents, ownerEvents, tenantEvents, subjectEvents].flatMap(Object.keys)),
  tables: keysTables,
  publishesChanges: true,
  create: createKeysTables,
  async apply(tx, tables, events) {
    const keys = events.filter((e) => e.type in keyEvents) as DecodedKeyEvent[];
    const persons = events.filter((e) => e.type in ownerEvents || e.type in subjectEvents);
    await foldTenants(tx, tables, events.filter((e) => e.type in tenantEvents) as DecodedTenantEvent[]);
    const stored = await foldKeys(tx, tables, keys);
    const owners = await foldOwners(tx, tables, persons as PersonEvent[], stored);
    for (const [keyId, one] of stored.after) stored.after.set(keyId, blanked(one, owners));
    await upsertEach(tx, keysTarget(tables), [...stored.after.values()], rowOf);
    await writeDigests(tx, tables, stored.before, stored.after);
    for (const event of persons) {
      // Keys of this batch are blank already; those before it are read and written in pages.
      if (event.type === 'subject.erased') await eraseOwner(tx, tables, subjectOf(event));
    }
  },
};

type PersonEvent = DecodedOwnerEvent | DecodedSubjectEvent;

/**
 * Folds and writes the owners that events tell of; answers those, too, of the keys whose name or metadata
 * the batch sets although their owner's erasure is written already: those of a stream that was parked.
 */
async function foldOwners(
  tx: Tx,
  tables: Tables,
  events: readonly PersonEvent[],
  { before, after }: Folded,
): Promise<ReadonlyMap<string, StoredOwner>> {
  const asked = new Map<string, OwnerRef>();
  const ask = (owner: OwnerRef) => asked.set(ownerKey(owner.tenant, owner.ownerId), owner);
  const latest = after.size === 0 ? START : await latestErasure(tx, tables);
  for (const { key, namePosition, metadataPosition } of after.values()) {
    if (key.ownerId === null) continue;
    const was = before.get(key.keyId);
    const late =
      (was?.namePosition !== namePosition && namePosition < latest) ||
      (was?.metadataPosition !== metadataPosition && metadataPosition < latest);
    if (late) ask({ tenant: key.tenant, ownerId: key.ownerId });
  }
  for (const event of events) ask(refOf(event));
  const owners = await loadOwners(tx, tables, asked);
  const changed = new Map<string, StoredOwner>();
  for (const event of events) {
    const { tenant, ownerId } = refOf(event);
    const name = ownerKey(tenant, ownerId);
    const next = evolvePerson(owners.get(name)!, event);
    owners.set(name, next);
    changed.set(name, next);
  }
  await upsertRows(tx, ownersTarget(tables), [...changed.values()].map(ownerRowOf));
  return owners;
}

function refOf(event: PersonEvent): OwnerRef {
  return event.type === 'subject.erased'
    ? subjectOf(event)
    : { tenant: event.metadata.tenant, ownerId: event.data.ownerId };
}

function subjectOf(event: Decoded) {
  const { data, metadata, position } = event as DecodedSubjectEvent;
  return { tenant: metadata.tenant, ownerId: data.subject, position };
}

function evolvePerson(stored: StoredOwner, event: PersonEvent): StoredOwner {
  if (event.type === 'subject.erased') {
    const later = event.position > stored.erasedPosition;
    return later ? { ...stored, erasedPosition: event.position } : stored;
  }
  if (event.version <= stored.owner.version) {
    throw new BrokenStream(event, `the row is at version ${stored.owner.version} already`);
  }
  return { ...stored, owner: evolveOwner(stored.owner, event) };
}

function blanked(stored: StoredKey, owners: ReadonlyMap<string, StoredOwner>): StoredKey {
  const { tenant, ownerId } = stored.key;
  const owner = ownerId === null ? undefined : owners.get(ownerKey(tenant, ownerId));
  return owner ? blankErased(stored, owner.erasedPosition) : stored;
}
