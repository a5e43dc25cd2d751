/** Owners as rows: the latest revoke-all of each. Both read models of keys have them. */
import { evolveOwner, noOwner, type OwnerState } from '../../commands/keys/owner-state.ts';
import type { EitherOwnerEvent } from '../../schemas/events/keys.ts';
import { BrokenStream } from '../broken-stream.ts';
import type { Tables, Tx } from '../projection.ts';
import { upsertRows } from '../upsert-rows.ts';

export interface OwnerRef {
  readonly tenant: string;
  readonly ownerId: string;
}

interface StoredOwner extends OwnerRef {
  readonly owner: OwnerState;
}

interface Loaded {
  tenant: string;
  owner_id: string;
  version: number;
  revoked_all_version: number;
  revoked_all_at_ms: number;
}

export async function createOwnersTable(tx: Tx, tables: Tables): Promise<void> {
  await tx.query(`CREATE TABLE ${tables('owners')} (
    tenant text COLLATE "C" NOT NULL,
    owner_id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    revoked_all_version bigint NOT NULL,
    revoked_all_at_ms bigint NOT NULL,
    PRIMARY KEY (tenant, owner_id)
  )`);
}

/** Folds the events onto the owners that they tell of, and writes these. */
export async function foldOwners(tx: Tx, tables: Tables, events: readonly EitherOwnerEvent[]): Promise<void> {
  if (events.length === 0) return;
  const refOf = ({ metadata, data }: EitherOwnerEvent) => ({
    tenant: metadata.tenant,
    ownerId: data.ownerId,
  });
  const nameOf = (event: EitherOwnerEvent) => ownerKey(event.metadata.tenant, event.data.ownerId);
  const owners = await loadOwners(tx, tables, new Map(events.map((e) => [nameOf(e), refOf(e)])));
  for (const event of events) {
    const stored = owners.get(nameOf(event))!;
    if (event.version <= stored.owner.version) {
      throw new BrokenStream(event, `the row is at version ${stored.owner.version} already`);
    }
    owners.set(nameOf(event), { ...stored, owner: evolveOwner(stored.owner, event) });
  }
  const target = {
    table: tables('owners'),
    columns: {
      tenant: 'text',
      owner_id: 'text',
      version: 'bigint',
      revoked_all_version: 'bigint',
      revoked_all_at_ms: 'bigint',
    },
    key: ['tenant', 'owner_id'],
  };
  await upsertRows(tx, target, [...owners.values()].map(rowOf));
}

/** By `ownerKey`; every one asked for is in it, new ones as nothing has happened to them. */
async function loadOwners(
  tx: Tx,
  tables: Tables,
  owners: ReadonlyMap<string, OwnerRef>,
): Promise<Map<string, StoredOwner>> {
  const asked = [...owners.values()];
  const found = new Map<string, StoredOwner>();
  for (const ref of asked) found.set(ownerKey(ref.tenant, ref.ownerId), { ...ref, owner: noOwner });
  const rows = await tx.query<Loaded>(
    `SELECT o.* FROM unnest($1::text[], $2::text[]) AS a (tenant, owner_id)
     JOIN ${tables('owners')} o ON o.tenant = a.tenant AND o.owner_id = a.owner_id`,
    [asked.map((a) => a.tenant), asked.map((a) => a.ownerId)],
  );
  for (const row of rows) {
    found.set(ownerKey(row.tenant, row.owner_id), {
      tenant: row.tenant,
      ownerId: row.owner_id,
      owner: {
        version: Number(row.version),
        revokedAllVersion: Number(row.revoked_all_version),
        revokedAllAtMs: Number(row.revoked_all_at_ms),
      },
    });
  }
  return found;
}

/** Neither holds a space. */
export function ownerKey(tenant: string, ownerId: string): string {
  return `${tenant} ${ownerId}`;
}

function rowOf({ tenant, ownerId, owner }: StoredOwner): Readonly<Record<string, unknown>> {
  return {
    tenant,
    owner_id: ownerId,
    version: owner.version,
    revoked_all_version: owner.revokedAllVersion,
    revoked_all_at_ms: owner.revokedAllAtMs,
  };
}
