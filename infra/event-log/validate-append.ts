/** What no engine takes, said before anything is sent. */
import { InvalidAppend } from '../../commands/event-log.ts';
import {
  LEAF_NONCE_BYTES,
  MAX_APPEND_BYTES,
  MAX_APPEND_EVENTS,
  MAX_EVENT_BYTES,
  type NewEvent,
  type StreamId,
} from '../../schemas/envelope.ts';

/** Bytes of an event as the limits count them: type, data and metadata. */
export function eventBytes(event: Pick<NewEvent, 'type' | 'data' | 'metadata'>): number {
  return Buffer.byteLength(event.type) + event.data.length + event.metadata.length;
}

/** Throws `InvalidAppend`, which names the stream and the limit; answers the append's size in bytes. */
export function validateAppend(stream: StreamId, events: readonly NewEvent[]): number {
  if (events.length === 0) throw new InvalidAppend('empty', `${stream}: an append needs at least one event`);
  if (events.length > MAX_APPEND_EVENTS) {
    throw new InvalidAppend(
      'too_many',
      `${stream}: an append may carry ${MAX_APPEND_EVENTS} events, this one has ${events.length}`,
    );
  }
  let appendBytes = 0;
  const ids = events.length > 1 ? new Set<string>() : null;
  for (const event of events) {
    const bytes = eventBytes(event);
    if (bytes > MAX_EVENT_BYTES) {
      throw new InvalidAppend(
        'event_too_large',
        `${stream}: an event may have ${MAX_EVENT_BYTES} bytes (type, data and metadata), ${event.type} has ${bytes}`,
      );
    }
    appendBytes += bytes;
    if (event.nonce.length !== LEAF_NONCE_BYTES) {
      throw new RangeError(`${stream}: a nonce has ${LEAF_NONCE_BYTES} bytes, not ${event.nonce.length}`);
    }
    if (ids?.has(event.id)) {
      throw new InvalidAppend('duplicate_id', `${stream}: the event id ${event.id} is in this append twice`);
    }
    ids?.add(event.id);
  }
  if (appendBytes > MAX_APPEND_BYTES) {
    throw new InvalidAppend(
      'append_too_large',
      `${stream}: an append may have ${MAX_APPEND_BYTES} bytes, this one has ${appendBytes}`,
    );
  }
  return appendBytes;
}
