/** What the server has, as events of the platform. */
import type { EventId, Position, Recorded, StreamId } from '../../../schemas/envelope.ts';
import { decodeBody } from './event-body.ts';
import { positionOf } from './positions.ts';
import type { RawRecord } from './read-call.ts';

/** Whatever has a type with the dollar is the server's own, or marks an epoch. */
export function isOurs({ type }: RawRecord): boolean {
  return !type.startsWith('$');
}

/** Throws rather than make one up. */
export function placeOf({ position, stream, revision }: RawRecord): Position {
  if (position) return positionOf(position.commit, position.prepare);
  throw new Error(`the server does not say where ${stream}@${revision} lies: it must be 22.10 or later`);
}

export function recordedOf(record: RawRecord): Recorded {
  const where = `${record.stream}@${record.revision}`;
  return {
    id: record.id as EventId,
    type: record.type,
    stream: record.stream as StreamId,
    version: Number(record.revision) + 1,
    position: placeOf(record),
    ...decodeBody(record.body, where),
  };
}
