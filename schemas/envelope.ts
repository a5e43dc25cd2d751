/**
 * The envelope: what every event carries besides its own data.
 *
 * It maps one-to-one onto CloudEvents 1.0: id → id, type → type, stream → subject, time → time,
 * metadata.tenant → the extension `tenant`, metadata.traceparent → `traceparent`.
 */
import { z } from 'zod';

/** `<category>-<id>`; the category has no hyphen. */
export type StreamId = string & { readonly __brand: 'StreamId' };
/** An opaque string that sorts by plain comparison. `START` sorts before every position. */
export type Position = string & { readonly __brand: 'Position' };
/** The identity of one history of the log. */
export type Epoch = string & { readonly __brand: 'Epoch' };
export type EventId = string & { readonly __brand: 'EventId' };
export type CommandId = string & { readonly __brand: 'CommandId' };
export type TenantId = string & { readonly __brand: 'TenantId' };

/** Sorts before every position: nothing has been read yet. */
export const START = '' as Position;

/** No event's type, data and metadata together may be larger, in bytes. Every engine takes this much. */
export const MAX_EVENT_BYTES = 256 * 1024;
/** No append may be larger, in bytes, all its events together. */
export const MAX_APPEND_BYTES = 900 * 1024;
/** No append may carry more events. */
export const MAX_APPEND_EVENTS = 1000;
export const LEAF_NONCE_BYTES = 16;

export const metadataSchema = z.strictObject({
  tenant: z.string(),
  /** An opaque id: `key_…`, or `system:<role>`. Never a person's name or address. */
  actor: z.string(),
  commandId: z.uuid(),
  /** Keyed digest of the request that caused it, base64url; null when nothing was requested. */
  requestDigest: z.string().nullable(),
  correlationId: z.string(),
  causationId: z.string().nullable(),
  traceparent: z.string().nullable(),
});
export type Metadata = z.infer<typeof metadataSchema>;

/** An event as it is handed to the log. `data` and `metadata` are stored as these very bytes. */
export interface NewEvent {
  readonly id: EventId;
  readonly type: string;
  readonly schemaVersion: number;
  /** Milliseconds since 1970, never before the stream's last event. */
  readonly timeMs: number;
  /** 16 random bytes, minted once. */
  readonly nonce: Uint8Array;
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
}

/** An event as the log answers it. */
export interface Recorded extends NewEvent {
  readonly stream: StreamId;
  /** Counts the stream's events from 1. */
  readonly version: number;
  readonly position: Position;
}

/** An event decoded: data upcast to the current schema version and checked. */
export interface DecodedEvent<Type extends string = string, Data = unknown> {
  readonly id: EventId;
  readonly type: Type;
  readonly data: Data;
  readonly stream: StreamId;
  readonly version: number;
  readonly position: Position;
  readonly timeMs: number;
  readonly metadata: Metadata;
}

/** With personal fields in the clear, or `null` where they cannot be read. */
export interface Decoded<Type extends string = string, Data = unknown> extends DecodedEvent<Type, Data> {
  /** Paths of fields whose data key was destroyed by an erasure. */
  readonly erased: readonly string[];
  /** Paths of fields whose data key is missing although nothing erased it. */
  readonly lost: readonly string[];
}

/** With nothing opened: every personal field is `null`, and what became of it was not asked. */
export interface PublicDecoded<Type extends string = string, Data = unknown>
  extends DecodedEvent<Type, Data> {
  /** Not lists, so that the compiler takes neither kind for the other. */
  readonly erased: null;
  readonly lost: null;
}

/** A run of the log. `through` may be past the last event: nothing else lies up to it. */
export interface Slice {
  readonly events: readonly Recorded[];
  readonly through: Position;
  /** True when the slice reached the head as it was when the slice was read. */
  readonly live: boolean;
}

/** What durably marks a place in the log: checked against the log before it is trusted. */
export interface Bookmark {
  readonly epoch: Epoch;
  readonly position: Position;
  /** Id of the event at exactly `position`; null at START. */
  readonly eventId: EventId | null;
}

export function categoryOf(stream: StreamId): string {
  const hyphen = stream.indexOf('-');
  return hyphen < 0 ? stream : stream.slice(0, hyphen);
}

export function streamId(category: string, id: string): StreamId {
  return `${category}-${id}` as StreamId;
}

/** A position with its epoch, as clients hold it: `<epoch>.<position>`. */
export function positionToken(epoch: Epoch, position: Position): string {
  return `${epoch}.${position}`;
}

export function parsePositionToken(token: string): { epoch: Epoch; position: Position } | null {
  const match =
    /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.([0-9]{20}(?:[0-9]{20})?)?$/.exec(
      token,
    );
  if (!match) return null;
  return { epoch: match[1] as Epoch, position: (match[2] ?? START) as Position };
}
