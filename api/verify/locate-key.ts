/** From the text of a key to where its facts are. */
import { foreignDigests } from '../../commands/keys/digest.ts';
import { parseKey } from '../../commands/keys/key-format.ts';
import type { Peppers } from '../../commands/peppers.ts';
import type { KeyLookup } from '../../projections/keys/verify-row.ts';
import type { TenantId } from '../../schemas/envelope.ts';

export interface Located {
  /** What the cache knows it by. */
  readonly name: string;
  readonly lookup: KeyLookup;
}

/** Our format carries its own id. Null: mistyped or made up, and so nobody's key. */
export function locateOwn(text: string): Located | null | 'foreign' {
  const parsed = parseKey(text);
  if (parsed === null) return 'foreign';
  if (parsed.kind === 'bad-checksum') return null;
  return { name: parsed.keyId, lookup: { keyId: parsed.keyId } };
}

/** A foreign key is found by its digest, among the caller's own. */
export function locateForeign(peppers: Peppers, tenant: TenantId, text: string): Located {
  const digests = foreignDigests(peppers, text);
  return { name: `${tenant} ${digests[0]}`, lookup: { tenant, digests } };
}
