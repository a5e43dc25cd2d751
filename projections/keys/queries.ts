/** What is asked about keys. */
import type { TenantId } from '../../schemas/envelope.ts';
import type { KeyUse } from '../../schemas/values.ts';
import type { Page, PageRequest } from '../page.ts';
import type { Tables, Tx } from '../projection.ts';
import type { KeyRecord, KeyStatus } from './key-record.ts';

/** One snapshot of both read models: `read('keys', {also: ['usage']}, (tx, keys, stamp, tablesOf) => …)`. */
export interface KeyReads {
  readonly tx: Tx;
  readonly keys: Tables;
  readonly usage: Tables;
}

export interface KeyFilter {
  readonly ownerId?: string;
  readonly status?: KeyStatus;
  readonly use?: KeyUse;
  readonly scope?: string;
  /** Used at this time or later. */
  readonly usedFromMs?: number;
  /** Last used before this time, or never. */
  readonly unusedSinceMs?: number;
  /** Created before this time. */
  readonly createdBeforeMs?: number;
  /** Part of the name, whatever the case, or the start of the key id. */
  readonly q?: string;
}

export declare function listKeys(
  reads: KeyReads,
  tenant: TenantId,
  filter: KeyFilter,
  page: PageRequest,
  nowMs: number,
): Promise<Page<KeyRecord>>;

/** Null: no such key in this tenant. */
export declare function getKey(
  reads: KeyReads,
  tenant: TenantId,
  keyId: string,
  nowMs: number,
): Promise<KeyRecord | null>;

export declare function countKeys(
  reads: KeyReads,
  tenant: TenantId,
  nowMs: number,
): Promise<Readonly<Record<KeyStatus, number>>>;

export interface OwnedKey {
  readonly keyId: string;
  readonly ownerVersion: number;
  readonly revoked: boolean;
}
/** Of the reactor that follows up a revoke-all: by key id, at most `limit`. */
export declare function keysOfOwner(
  tx: Tx,
  keys: Tables,
  tenant: TenantId,
  ownerId: string,
  page: { readonly after: string | null; readonly limit: number },
): Promise<readonly OwnedKey[]>;

export interface DueKey {
  readonly keyId: string;
  readonly tenant: TenantId;
  readonly dueAtMs: number;
}
/** Keys of every tenant whose expiry has come and was not yet written, earliest first. */
export declare function keysDueToExpire(
  tx: Tx,
  keys: Tables,
  nowMs: number,
  limit: number,
): Promise<readonly DueKey[]>;
/** Keys of every tenant whose credits are due for a refill, earliest first. */
export declare function keysDueForRefill(
  tx: Tx,
  keys: Tables,
  nowMs: number,
  limit: number,
): Promise<readonly DueKey[]>;
