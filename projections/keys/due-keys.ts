/** What reactors and the scheduler look for: keys on which something is due. */
import type { Position, TenantId } from '../../schemas/envelope.ts';
import type { Page, PageRequest } from '../page.ts';
import type { Tables, Tx } from '../projection.ts';

export interface OwnedKey {
  readonly keyId: string;
  /** What its issue relied on: a revoke-all of a later version revokes it. */
  readonly ownerVersion: number;
  /** By an event of its own. */
  readonly revoked: boolean;
}

/** Of the reactor that follows up a revoke-all; newest first. */
export async function keysOfOwner(
  tx: Tx,
  keys: Tables,
  tenant: TenantId,
  ownerId: string,
  page: PageRequest,
): Promise<Page<OwnedKey>> {
  const rows = await tx.query<{
    key_id: string;
    owner_version: number;
    revoked: boolean;
    created_position: Position;
  }>(
    `SELECT k.key_id, k.owner_version, k.revoked, k.created_position FROM ${keys('keys')} k
     WHERE k.tenant = $1 AND k.owner_id = $2 AND ($3::text IS NULL OR k.created_position < $3)
     ORDER BY k.created_position DESC LIMIT $4`,
    [tenant, ownerId, page.after, page.limit],
  );
  const items = rows.map((row) => ({
    keyId: row.key_id,
    ownerVersion: Number(row.owner_version),
    revoked: row.revoked,
  }));
  return { items, next: rows.length < page.limit ? null : rows.at(-1)!.created_position };
}

export interface DueKey {
  readonly keyId: string;
  readonly tenant: TenantId;
  readonly dueAtMs: number;
}

/**
 * Keys of every tenant whose expiry has come and was not yet written; earliest first. Those revoked through
 * their owner are left out: nothing more becomes of them.
 */
export async function keysDueToExpire(tx: Tx, keys: Tables, nowMs: number, limit: number): Promise<DueKey[]> {
  const rows = await tx.query<{ key_id: string; tenant: TenantId; due: number }>(
    `SELECT k.key_id, k.tenant, k.expires_at_ms AS due FROM ${keys('keys')} k
     LEFT JOIN ${keys('owners')} o ON o.tenant = k.tenant AND o.owner_id = k.owner_id
     WHERE k.expires_at_ms <= $1 AND NOT k.expired AND NOT k.revoked
       AND k.owner_version >= coalesce(o.revoked_all_version, 0)
     ORDER BY k.expires_at_ms, k.key_id LIMIT $2`,
    [nowMs, limit],
  );
  return rows.map((row) => ({ keyId: row.key_id, tenant: row.tenant, dueAtMs: Number(row.due) }));
}

/** Every key that is not revoked by an event of its own, by key id: for work that touches them all. */
export async function keysByPage(
  tx: Tx,
  keys: Tables,
  page: { readonly after: string | null; readonly limit: number },
): Promise<readonly { readonly keyId: string; readonly tenant: string }[]> {
  const rows = await tx.query<{ key_id: string; tenant: string }>(
    `SELECT key_id, tenant FROM ${keys('keys')} WHERE key_id > $1 AND NOT revoked ORDER BY key_id LIMIT $2`,
    [page.after ?? '', page.limit],
  );
  return rows.map((row) => ({ keyId: row.key_id, tenant: row.tenant }));
}
