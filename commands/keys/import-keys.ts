/** Takes over keys that were issued elsewhere, by the digests of their texts. */
import type { ImportedDigest, ImportKey, ImportKeys } from '../../schemas/commands/keys.ts';
import { KEYS_COLLECTION } from '../streams.ts';
import { foreignKeyId } from './foreign-key-id.ts';
import { appendIssue } from './issue-key.ts';
import type { ContextFor, KeyDeps, KeyOutcome } from './key-command.ts';
import { keptDigest } from './new-secret.ts';

/** SHA-256 of the foreign key's text, as bytes. */
export function importedBytes({ value }: ImportedDigest): Uint8Array {
  return Buffer.from(value, value.length === 64 ? 'hex' : 'base64');
}

export interface ImportResult {
  readonly index: number;
  readonly keyId: string;
  readonly outcome: KeyOutcome;
}

/**
 * Each by itself, in the order given; one that cannot be imported does not hold up the others. A digest is
 * one key of a tenant: imported twice, it is refused the second time, also after the key was revoked.
 *
 * @param contextFor is given `keys/<key id>`, so that one `Idempotency-Key` names a command for each
 */
export function importKeys(
  deps: KeyDeps,
  contextFor: ContextFor,
  input: ImportKeys,
): Promise<readonly ImportResult[]> {
  return Promise.all(input.keys.map((key, index) => importKey(deps, contextFor, key, index)));
}

async function importKey(
  deps: KeyDeps,
  contextFor: ContextFor,
  input: ImportKey,
  index: number,
): Promise<ImportResult> {
  const { digest, ...fields } = input;
  const imported = importedBytes(digest);
  const { tenant } = contextFor(KEYS_COLLECTION);
  const keyId = foreignKeyId(deps.peppers, tenant, imported);
  const secret = { ...keptDigest(deps.peppers, imported), hint: null };
  const context = contextFor(`${KEYS_COLLECTION}/${keyId}`);
  const outcome = await appendIssue(
    deps,
    context,
    keyId,
    (facts) => ({
      ...fields,
      ...facts,
      use: 'api',
      environment: null,
      permissions: [],
      keyId,
      format: 'foreign',
      secret,
      // A key of use `api` carries no permissions: nobody needs any to grant none.
      grantor: { permissions: [] },
    }),
    { ownerId: fields.ownerId, environment: null },
  );
  return { index, keyId, outcome };
}
