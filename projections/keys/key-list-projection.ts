/**
 * The read model that management lists, searches and counts: keys with their names and metadata in the
 * clear, blank once their owner is erased, and their owners' revoke-alls. Nothing that verify trusts is
 * read from it, so it may be fed by Kafka, stream by stream, in several processes at once.
 *
 * Every row is written from one stream alone but for one rule: an erasure blanks what was set before it,
 * by position. It holds in either order of the two, and `lockErasures` keeps them apart in time.
 */
import { type Decoded, START } from '../../schemas/envelope.ts';
import {
  type DecodedKeyEvent,
  type DecodedOwnerEvent,
  keyEvents,
  ownerEvents,
} from '../../schemas/events/keys.ts';
import { type DecodedSubjectEvent, subjectEvents } from '../../schemas/events/subjects.ts';
import type { Projection, Tables, Tx } from '../projection.ts';
import { upsertEach } from '../upsert-rows.ts';
import { eraseOwner } from './erase-owner.ts';
import { type Erasure, latestErasure, loadErasures, lockErasures, writeErasures } from './erasures.ts';
import { type Folded, foldKeys } from './fold-keys.ts';
import { createKeyListTables, keyListTables } from './key-list-tables.ts';
import { blankErased, type ListedKey, listedKeys, listedRowOf, listedTarget } from './listed-keys.ts';
import { foldOwners, type OwnerRef, ownerKey } from './owner-rows.ts';

export const keyListProjection: Projection = {
  name: 'key_list',
  revision: 3,
  order: 'stream',
  domains: ['keys', 'owners', 'subjects'],
  types: new Set([keyEvents, ownerEvents, subjectEvents].flatMap(Object.keys)),
  tables: keyListTables,
  reads: 'personal',
  publishesChanges: false,
  create: createKeyListTables,
  async apply(tx, tables, events) {
    const keys = events.filter((e) => e.type in keyEvents) as DecodedKeyEvent[];
    const owners = events.filter((e) => e.type in ownerEvents) as DecodedOwnerEvent[];
    const erasures = events.filter((e) => e.type === 'subject.erased').map(erasureOf);
    if (erasures.length > 0) await lockErasures(tx, tables, 'exclusive');
    else if (keys.length > 0) await lockErasures(tx, tables, 'shared');
    await foldOwners(tx, tables, owners);
    await writeErasures(tx, tables, erasures);
    if (keys.length > 0) {
      const folded = await foldKeys(listedKeys, tx, tables, keys);
      await blankLate(tx, tables, folded);
      await upsertEach(tx, listedTarget(tables), [...folded.after.values()], listedRowOf);
    }
    for (const erasure of erasures) await eraseOwner(tx, tables, erasure);
  },
};

function erasureOf(event: Decoded): Erasure {
  const { data, metadata, position } = event as DecodedSubjectEvent;
  return { tenant: metadata.tenant, ownerId: data.subject, position };
}

/** Blanks what the batch sets although its owner's erasure, later in the log, is written already. */
async function blankLate(tx: Tx, tables: Tables, { before, after }: Folded<ListedKey>): Promise<void> {
  const latest = await latestErasure(tx, tables);
  if (latest === START) return;
  const asked = new Map<string, OwnerRef>();
  for (const { key, namePosition, metadataPosition } of after.values()) {
    if (key.ownerId === null) continue;
    const was = before.get(key.keyId);
    const late =
      (was?.namePosition !== namePosition && namePosition < latest) ||
      (was?.metadataPosition !== metadataPosition && metadataPosition < latest);
    const { tenant, ownerId } = key;
    if (late) asked.set(ownerKey(tenant, ownerId), { tenant, ownerId });
  }
  const erased = await loadErasures(tx, tables, [...asked.values()]);
  for (const [keyId, one] of after) {
    const { tenant, ownerId } = one.key;
    const erasure = ownerId === null ? undefined : erased.get(ownerKey(tenant, ownerId));
    if (erasure) after.set(keyId, blankErased(one, erasure.position));
  }
}
