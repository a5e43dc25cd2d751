/** Stories of keys, their owners and their erasures, as the deciders could have written them. */
import fc from 'fast-check';
import { keyStream, ownerStream, subjectStream, tenantStream } from '../../commands/streams.ts';
import type { Decoded } from '../../schemas/envelope.ts';
import { issuedData } from './issued-data.ts';
import { eventMaker, TENANT } from './read-model.ts';

export const idOf = (n: number) => `key_${String(n).padStart(12, '0')}`;
export const KEY = idOf(1);
export const OWNER = 'ann';

/** Makes the events of one story, in order. */
export function story() {
  const make = eventMaker();
  const key = (type: string, data: unknown, keyId = KEY) => make({ stream: keyStream(keyId), type, data });
  return {
    make,
    key,
    issued: (over: Readonly<Record<string, unknown>> = {}, keyId = KEY) =>
      key('key.issued', issuedData(keyId, over), keyId),
    revokedAll: (ownerId = OWNER) =>
      make({
        stream: ownerStream(TENANT, ownerId),
        type: 'owner.keys-revoked',
        data: { ownerId, reason: null },
      }),
    erased: (subject = OWNER, tenant = TENANT) =>
      make({
        stream: subjectStream(tenant, subject),
        type: 'subject.erased',
        data: { subject, keyIds: [] },
        tenant,
      }),
    tenant: (type: string, data: unknown) => make({ stream: tenantStream(TENANT), type, data }),
  };
}

export type KeyStep = { kind: number; key: number; owner: number; text: string };
export const keyStep = fc.record({
  kind: fc.nat(11),
  key: fc.nat(4),
  owner: fc.nat(2),
  text: fc.string({ minLength: 1, maxLength: 5, unit: 'binary' }),
});

/** Any story that the deciders could have written: a key is issued once and before all else. */
export function keyHistory(steps: readonly KeyStep[]): Decoded[] {
  const { issued, key, revokedAll, erased } = story();
  const owners = new Map<number, string | null>();
  let leases = 0;
  return steps.map(({ kind, key: n, owner, text }) => {
    const keyId = idOf(n);
    if (kind === 0) return revokedAll(`o${owner}`);
    if (kind === 1) return erased(`o${owner}`);
    if (!owners.has(n)) {
      const ownerId = owner === 2 ? null : `o${owner}`;
      owners.set(n, ownerId);
      return issued(
        {
          ownerId,
          name: text,
          metadata: { [text]: text },
          format: n % 2 === 0 ? 'foreign' : 'plinth',
          credits: { remaining: 10, refill: { amount: 10, everySeconds: 60 } },
          secret: { digest: `first of ${n}`, pepperVersions: [1], hint: null },
        },
        keyId,
      );
    }
    const ownerId = owners.get(n)!;
    switch (kind) {
      case 2:
        return key('key.renamed', { ownerId, name: text }, keyId);
      case 3:
        return key('key.metadata-changed', { ownerId, metadata: { a: text } }, keyId);
      case 4:
        return key('key.disabled', { ownerId, reason: null }, keyId);
      case 5:
        return key('key.enabled', { ownerId, reason: null }, keyId);
      case 6:
        return key('key.revoked', { ownerId, reason: null, cause: 'request' }, keyId);
      case 7:
        return key(
          'key.rotated',
          {
            secret: { digest: `digest ${leases++}`, pepperVersions: [1], hint: 'abcd' },
            overlapUntil: owner === 0 ? null : '1970-01-01T00:17:00Z',
          },
          keyId,
        );
      case 8:
        return key('key.credits-leased', { leaseId: 'x', writer: 'w', amount: 1 }, keyId);
      case 9:
        return key('key.expiry-changed', { expiresAt: '1970-01-01T00:17:00Z' }, keyId);
      case 10:
        return key('key.expired', { expiresAt: '1970-01-01T00:17:00Z' }, keyId);
      default:
        return key('key.scopes-changed', { scopes: ['a', 'b:c'] }, keyId);
    }
  });
}
