import type { ParkedStream } from '../../projections/store.ts';
import type { Position, StreamId } from '../../schemas/envelope.ts';

export const PARKED_COLUMNS = 'stream, first_version, first_position, last_version, events, error';

export interface ParkedRow {
  stream: string;
  first_version: number;
  first_position: string;
  last_version: number;
  events: number;
  error: string;
}

export function parkedStream(row: ParkedRow): ParkedStream {
  return {
    stream: row.stream as StreamId,
    firstVersion: row.first_version,
    firstPosition: row.first_position as Position,
    lastVersion: row.last_version,
    events: row.events,
    error: row.error,
  };
}
