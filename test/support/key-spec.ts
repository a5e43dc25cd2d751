/** What specs and scenarios of keys start from. */
import { evolveKey, noKey } from '../../commands/keys/key-state.ts';
import { noOwner } from '../../commands/keys/owner-state.ts';
import type { KeyEvent } from '../../schemas/events/keys.ts';
import { specOf } from './given-when-then.ts';
import { type Issued, issuedData } from './issued-data.ts';

export const SPEC_TENANT = 'tnt_0123456789abcdef0123456789abcdef';
export const SPEC_START_MS = Date.parse('2026-01-01T00:00:00Z');
export const SPEC_KEY = 'key_AAAAAAAAAAAA';
export const DAY_MS = 86_400_000;

export function issued(fields: Partial<Issued> = {}): { type: 'key.issued'; data: Issued } {
  const secret = { digest: 'digest-1', pepperVersions: [1], hint: 'aaaa' };
  return { type: 'key.issued', data: issuedData(SPEC_KEY, { secret, ...fields }) };
}

export const keySpec = specOf<typeof noKey, KeyEvent>(
  { initial: noKey, evolve: evolveKey },
  { tenant: SPEC_TENANT, fromMs: SPEC_START_MS },
);

/** What every command at a key knows: an hour after the spec's start, of an owner whose keys stand. */
export const facts = { tenant: SPEC_TENANT, nowMs: SPEC_START_MS + 3_600_000, owner: noOwner };

export const revokedOwner = { version: 3, revokedAllVersion: 3, revokedAllAtMs: SPEC_START_MS };
export const admin = { permissions: ['*:*'] };

export function iso(ms: number): string {
  return new Date(ms).toISOString();
}
