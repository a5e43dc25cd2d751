/** Data of a `key.issued`, of an `api` key without anything. */
import type { KeyEvent } from '../../schemas/events/keys.ts';

export type Issued = Extract<KeyEvent, { type: 'key.issued' }>['data'];

export function issuedData(keyId: string, over: Partial<Issued> = {}): Issued {
  return {
    keyId,
    use: 'api',
    environment: null,
    mode: 'live',
    format: 'plinth',
    ownerId: null,
    ownerVersion: 0,
    name: null,
    metadata: null,
    secret: { digest: `digest of ${keyId}`, pepperVersions: [1], hint: 'abcd' },
    scopes: [],
    permissions: [],
    limits: [],
    credits: null,
    expiresAt: null,
    notBefore: null,
    allowedIps: [],
    ...over,
  };
}
