/**
 * What a record of a topic looks like: a CloudEvent 1.0 in binary mode (attributes in headers, data in the
 * value), so that any consumer reads it. Bytes that must come back as they were appended, and what
 * CloudEvents has no room for, have headers of their own.
 */
import type { IHeaders, KafkaMessage, Message } from 'kafkajs';
import type { Epoch, EventId, Position, Recorded, StreamId } from '../../schemas/envelope.ts';
import type { Relayed } from '../../schemas/topics.ts';
import type { Outgoing } from '../../workers/relay-topics.ts';

export const WATERMARK_TYPE = 'plinth.watermark';
const SOURCE = '/plinth';

/** In the order in which they are written; those of a watermark are marked so. */
export const HEADERS = {
  specversion: 'ce_specversion',
  id: 'ce_id',
  type: 'ce_type',
  source: 'ce_source',
  subject: 'ce_subject',
  time: 'ce_time',
  contentType: 'content-type',
  tenant: 'ce_tenant',
  streamVersion: 'ce_streamversion',
  schemaVersion: 'ce_schemaversion',
  position: 'ce_position',
  predecessor: 'ce_predecessor',
  epoch: 'ce_epoch',
  traceparent: 'traceparent',
  /** Bytes of the metadata, as they were appended. */
  metadata: 'plinth_metadata',
  nonce: 'plinth_nonce',
  /** Milliseconds since 1970, exactly. */
  timeMs: 'plinth_time',
} as const;

/** Beyond it there is no date. */
const LAST_DATE_MS = 8_640_000_000_000_000;

export class NotOurs extends Error {
  override readonly name = 'NotOurs';
}

export function messageOf(outgoing: Outgoing): Message {
  const { partition, bookmark, predecessor, event, domain } = outgoing;
  const headers: IHeaders = {
    [HEADERS.specversion]: '1.0',
    [HEADERS.source]: SOURCE,
    [HEADERS.position]: bookmark.position,
    [HEADERS.predecessor]: predecessor,
    [HEADERS.epoch]: bookmark.epoch,
  };
  if (event === null) {
    // Each is a CloudEvent of its own: its subject names the event that it tells of.
    headers[HEADERS.id] = `${bookmark.eventId}.${domain}.${partition}`;
    headers[HEADERS.type] = WATERMARK_TYPE;
    headers[HEADERS.subject] = bookmark.eventId ?? '';
    return { partition, key: null, value: null, headers };
  }
  const { tenant, traceparent } = outsiders(event.metadata);
  headers[HEADERS.id] = event.id;
  headers[HEADERS.type] = event.type;
  headers[HEADERS.subject] = event.stream;
  if (event.timeMs <= LAST_DATE_MS) headers[HEADERS.time] = new Date(event.timeMs).toISOString();
  headers[HEADERS.contentType] = 'application/json';
  if (tenant !== null) headers[HEADERS.tenant] = tenant;
  headers[HEADERS.streamVersion] = String(event.version);
  headers[HEADERS.schemaVersion] = String(event.schemaVersion);
  if (traceparent !== null) headers[HEADERS.traceparent] = traceparent;
  headers[HEADERS.metadata] = bufferOf(event.metadata);
  headers[HEADERS.nonce] = bufferOf(event.nonce);
  headers[HEADERS.timeMs] = String(event.timeMs);
  return { partition, key: event.stream, value: bufferOf(event.data), headers };
}

/** Throws `NotOurs` for what no relay of ours has written. */
export function relayedOf({ offset, headers = {}, value }: KafkaMessage): Relayed {
  const text = (name: string): string => {
    const header = headers[name];
    if (header === undefined || Array.isArray(header)) throw notOurs(offset, name);
    return header.toString();
  };
  const bytes = (name: string): Uint8Array => {
    const header = headers[name];
    if (!Buffer.isBuffer(header)) throw notOurs(offset, name);
    return header;
  };
  const whole = (name: string): number => {
    const number = Number(text(name));
    if (!Number.isSafeInteger(number)) throw notOurs(offset, name);
    return number;
  };
  const position = text(HEADERS.position) as Position;
  const predecessor = text(HEADERS.predecessor) as Position;
  const epoch = text(HEADERS.epoch) as Epoch;
  const type = text(HEADERS.type);
  if (type === WATERMARK_TYPE) {
    const eventId = (text(HEADERS.subject) || null) as EventId | null;
    return { offset, bookmark: { epoch, position, eventId }, predecessor, event: null };
  }
  if (value === null) throw notOurs(offset, 'value');
  const id = text(HEADERS.id) as EventId;
  const event: Recorded = {
    id,
    type,
    stream: text(HEADERS.subject) as StreamId,
    version: whole(HEADERS.streamVersion),
    schemaVersion: whole(HEADERS.schemaVersion),
    timeMs: whole(HEADERS.timeMs),
    position,
    nonce: bytes(HEADERS.nonce),
    metadata: bytes(HEADERS.metadata),
    data: value,
  };
  return { offset, bookmark: { epoch, position, eventId: id }, predecessor, event };
}

/** About how many bytes a message takes on its way. */
export function messageBytes({ key, value, headers }: Message): number {
  let bytes = 64 + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, header] of Object.entries(headers ?? {}))
    bytes += 4 + name.length + (header?.length ?? 0);
  return bytes;
}

function notOurs(offset: string, what: string): NotOurs {
  return new NotOurs(
    `the record at offset ${offset} is none of the relay's: its ${what} is missing or wrong`,
  );
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** What consumers outside want of the metadata; null where it is not there. */
function outsiders(metadata: Uint8Array): { tenant: string | null; traceparent: string | null } {
  try {
    const { tenant, traceparent } = JSON.parse(bufferOf(metadata).toString()) as Record<string, unknown>;
    return {
      tenant: typeof tenant === 'string' ? tenant : null,
      traceparent: typeof traceparent === 'string' ? traceparent : null,
    };
  } catch {
    return { tenant: null, traceparent: null };
  }
}
