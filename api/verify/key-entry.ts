/** What verify knows of one key: its facts, where they come from, and how long they may be used. */
import type { KeyState } from '../../commands/keys/key-state.ts';
import type { OwnerState } from '../../commands/keys/owner-state.ts';
import { keyStream, ownerStream, tenantStream } from '../../commands/streams.ts';
import type { Stamp } from '../../projections/projection.ts';
import { positionToken, type StreamId, type TenantId } from '../../schemas/envelope.ts';

/** What was found; the rest of an entry follows from it. */
export interface KeyFindings {
  /** Null: there is no such key. */
  readonly key: KeyState | null;
  readonly owner: OwnerState;
  readonly suspended: boolean;
  /** Its own stream, its owner's or its tenant's is parked: nothing is known of what waits there. */
  readonly parked: boolean;
}

export interface KeyEntry extends KeyFindings {
  /** What a change must touch to make this entry old. */
  readonly streams: readonly StreamId[];
  /** Digests of the key's secrets, in their order, as bytes. */
  readonly digests: readonly Uint8Array[];
  /** Token of the position that it was computed at. */
  readonly position: string;
}

/** From a row: usable as long as its stamp is. */
export interface StampedEntry extends KeyEntry {
  readonly stamp: Stamp;
}

/** @param keyId also of a key that is not there, where it is known which one was looked for */
export function stampedEntry(findings: KeyFindings, keyId: string | null, stamp: Stamp): StampedEntry {
  const { key, owner, suspended, parked } = findings;
  return {
    key,
    owner,
    suspended,
    parked,
    streams: keyId === null ? [] : streamsOf(keyId, key?.tenant ?? null, key?.ownerId ?? null),
    digests: digestsOf(key),
    position: positionToken(stamp.epoch, stamp.position),
    stamp,
  };
}

export function streamsOf(keyId: string, tenant: string | null, ownerId: string | null): readonly StreamId[] {
  const streams: StreamId[] = [keyStream(keyId)];
  if (tenant !== null) {
    streams.push(tenantStream(tenant as TenantId));
    if (ownerId !== null) streams.push(ownerStream(tenant as TenantId, ownerId));
  }
  return streams;
}

export function digestsOf(key: KeyState | null): readonly Uint8Array[] {
  return key === null ? [] : key.secrets.map((secret) => Buffer.from(secret.digest, 'base64url'));
}
