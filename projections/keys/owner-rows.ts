/** Owners as rows: the latest revoke-all and the latest erasure of each. */
import { noOwner, type OwnerState } from '../../commands/keys/owner-state.ts';
import { type Position, START } from '../../schemas/envelope.ts';
import type { Tables, Tx } from '../projection.ts';

export interface OwnerRef {
  readonly tenant: string;
  readonly ownerId: string;
}

export interface StoredOwner extends OwnerRef {
  readonly owner: OwnerState;
  readonly erasedPosition: Position;
}

interface Loaded {
  tenant: string;
  owner_id: string;
  version: number;
  revoked_all_version: number;
  revoked_all_at_ms: number;
  erased_position: Position;
}

/** Position of the latest erasure of anybody, START if none: events behind it need not ask whose it was. */
export async function latestErasure(tx: Tx, tables: Tables): Promise<Position> {
  const [row] = await tx.query<{ latest: Position | null }>(
    `SELECT max(erased_position) AS latest FROM ${tables('owners')} WHERE erased_position > ''`,
  );
  return row?.latest ?? START;
}

/** By `ownerKey`; every one asked for is in it, new ones as nothing has happened to them. */
export async function loadOwners(
  tx: Tx,
  tables: Tables,
  owners: ReadonlyMap<string, OwnerRef>,
): Promise<Map<string, StoredOwner>> {
  const found = new Map<string, StoredOwner>();
  if (owners.size === 0) return found;
  const asked = [...owners.values()];
  for (const { tenant, ownerId } of asked) {
    found.set(ownerKey(tenant, ownerId), { tenant, ownerId, owner: noOwner, erasedPosition: START });
  }
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
      erasedPosition: row.erased_position,
    });
  }
  return found;
}

/** Neither holds a space. */
export function ownerKey(tenant: string, ownerId: string): string {
  return `${tenant} ${ownerId}`;
}

export function ownerRowOf(stored: StoredOwner): Readonly<Record<string, unknown>> {
  return {
    tenant: stored.tenant,
    owner_id: stored.ownerId,
    version: stored.owner.version,
    revoked_all_version: stored.owner.revokedAllVersion,
    revoked_all_at_ms: stored.owner.revokedAllAtMs,
    erased_position: stored.erasedPosition,
  };
}
