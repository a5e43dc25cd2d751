/** What verify needs of keys, with its stamp, in one statement and so in one snapshot. */
import type { KeyState } from '../../commands/keys/key-state.ts';
import type { OwnerState } from '../../commands/keys/owner-state.ts';
import type { TenantId } from '../../schemas/envelope.ts';
import type { Stamp, Tx } from '../projection.ts';

/** Our own format carries its id; a foreign key is found by its digest, within the caller's tenant. */
export type KeyLookup =
  | { readonly keyId: string }
  | { readonly tenant: TenantId; readonly digests: readonly string[] };

export interface VerifyRow {
  /** Null: no such key. Name and metadata are there; verify does not look at them. */
  readonly key: KeyState | null;
  /** `noOwner` when the key has none, or nothing was ever done to all of the owner's keys. */
  readonly owner: OwnerState;
  /** Null: the tenant's stream was never seen. */
  readonly tenant: { readonly tenantId: TenantId; readonly slug: string; readonly suspended: boolean } | null;
  readonly parked: { readonly key: boolean; readonly owner: boolean; readonly tenant: boolean };
}

export interface VerifyRows {
  /** Of the same snapshot as the rows. */
  readonly stamp: Stamp;
  /** Why the projection halted, or null. */
  readonly halted: string | null;
  /** In the order of the lookups. */
  readonly rows: readonly VerifyRow[];
}

export interface VerifyRowReader {
  /** `primary` answers from the primary, outside any older snapshot. At most 100 lookups. */
  read(primary: Tx, lookups: readonly KeyLookup[]): Promise<VerifyRows>;
}
/** Remembers which revision is current, so that one statement does. */
export declare function verifyRowReader(): VerifyRowReader;
