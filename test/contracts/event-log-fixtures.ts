/** Events as the contract suites append them. */
import { randomBytes, randomUUID } from 'node:crypto';
import {
  type EventId,
  type NewEvent,
  type Recorded,
  type StreamId,
  streamId,
} from '../../schemas/envelope.ts';

export function newEvent(over: Partial<NewEvent> = {}): NewEvent {
  return {
    id: randomUUID() as EventId,
    type: 'thing.happened',
    schemaVersion: 1,
    timeMs: 1_764_000_000_000,
    nonce: randomBytes(16),
    data: Buffer.from('{"a":1}'),
    metadata: Buffer.from('{"tenant":"tnt_1"}'),
    ...over,
  };
}

export function newEvents(count: number): NewEvent[] {
  return Array.from({ length: count }, () => newEvent());
}

export function freshStream(category = 'thing'): StreamId {
  return streamId(category, randomUUID());
}

/** What must come back as it went in; bytes as hex, so that a difference can be read. */
export function asAppended(event: NewEvent | Recorded) {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  return {
    id: event.id,
    type: event.type,
    schemaVersion: event.schemaVersion,
    timeMs: event.timeMs,
    nonce: hex(event.nonce),
    data: hex(event.data),
    metadata: hex(event.metadata),
  };
}
