/**
 * How an entry is written where several processes share it: `1.<HMAC-SHA-256>.<JSON>`.
 *
 * The code is over the name too, under a key derived from the keyring, so that who can write to the shared
 * cache can neither make an entry nor pass one key's off as another's; an old one put back is judged by its
 * stamp like any other. Whatever is not exactly what `seal` makes in this release is a miss.
 *
 * An entry holds what verify judges by: digests, no secret; neither name nor metadata (`lean`).
 */
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import { type KeyState, lean, noKey } from '../../commands/keys/key-state.ts';
import { noOwner, type OwnerState } from '../../commands/keys/owner-state.ts';
import type { Stamp } from '../../projections/projection.ts';
import type { Secret } from '../../schemas/secret.ts';
import { type KeyFindings, type StampedEntry, stampedEntry } from './key-entry.ts';
import { MAX_SHARED_BYTES } from './shared-cache.ts';

export interface SharedEntries {
  /** Null: this one is not to be shared, for it is too large. */
  seal(name: string, entry: StampedEntry): string | null;
  /** Null: garbage, another release's, or not of our making. Never throws. */
  open(name: string, text: string): StampedEntry | null;
}

const VERSION = '1';
const MAC_CHARACTERS = 43;
const JSON_FROM = VERSION.length + 1 + MAC_CHARACTERS + 1;

interface Body extends KeyFindings {
  readonly stamp: Stamp;
}

const stampShape: Stamp = { epoch: '' as Stamp['epoch'], revision: 0, position: '' as never, eventId: null };
const bodyShape = { stamp: null, key: null, owner: null, suspended: false, parked: false };

/** @param secret 32 bytes that every process of the installation has and nobody else */
export function sharedEntries(secret: Secret<Uint8Array>): SharedEntries {
  const key = createSecretKey(secret.reveal());
  const macOf = (name: string, json: string) =>
    createHmac('sha256', key)
      .update(`plinth shared entry ${VERSION}\n${name}\n`)
      .update(json)
      .digest('base64url');
  return {
    seal(name, entry) {
      const { stamp, owner, suspended, parked } = entry;
      const body: Body = { stamp, key: entry.key && lean(entry.key), owner, suspended, parked };
      const json = JSON.stringify(body);
      if (Buffer.byteLength(json) + JSON_FROM > MAX_SHARED_BYTES) return null;
      return `${VERSION}.${macOf(name, json)}.${json}`;
    },
    open(name, text) {
      if (text.length > MAX_SHARED_BYTES || !text.startsWith(`${VERSION}.`)) return null;
      // As text: a decoder takes several spellings of the same bytes.
      const mac = Buffer.from(text.slice(VERSION.length + 1, JSON_FROM), 'utf8');
      const json = text.slice(JSON_FROM);
      const right = Buffer.from(`${macOf(name, json)}.`, 'utf8');
      if (mac.length !== right.length || !timingSafeEqual(mac, right)) return null;
      return entryOf(JSON.parse(json) as Body);
    },
  };
}

/**
 * The code says that one of our processes wrote it; it may be of another release, in which a key had more
 * that restricts it, or less. Rows of another shape of tables are of another revision anyway.
 */
function entryOf(body: Body): StampedEntry | null {
  if (!sameShape(body, bodyShape) || !sameShape(body.stamp, stampShape)) return null;
  if (!sameShape<OwnerState>(body.owner, noOwner)) return null;
  if (body.key !== null && !sameShape<KeyState>(body.key, noKey)) return null;
  const { stamp, ...findings } = body;
  return stampedEntry(findings, body.key?.keyId ?? null, stamp);
}

function sameShape<T extends object>(value: T | null, shape: object): boolean {
  if (value === null || typeof value !== 'object') return false;
  const names = Object.keys(shape);
  return Object.keys(value).length === names.length && names.every((name) => Object.hasOwn(value, name));
}
