/** Rows of `plinth_log.events` as events. */

import type { EventId, Position, Recorded, StreamId } from '../../schemas/envelope.ts';
import type { Session } from '../postgres/pool.ts';

const POSITION_DIGITS = 20;

export function positionOf(sequence: number | string): Position {
  return String(sequence).padStart(POSITION_DIGITS, '0') as Position;
}

/** The columns that `recordedOf` reads, in its order. */
export const RECORDED_COLUMNS =
  'position, id, stream, version, type, schema_version, time_ms, nonce, data, metadata';
export const RECORDED_WIDTH = 10;

/** `row`: the columns above, from index `at` on. */
export function recordedOf(row: readonly unknown[], at = 0): Recorded {
  return {
    position: positionOf(row[at] as number),
    id: row[at + 1] as EventId,
    stream: row[at + 2] as StreamId,
    version: row[at + 3] as number,
    type: row[at + 4] as string,
    schemaVersion: row[at + 5] as number,
    timeMs: row[at + 6] as number,
    nonce: row[at + 7] as Buffer,
    data: row[at + 8] as Buffer,
    metadata: row[at + 9] as Buffer,
  };
}

/** Positions come from clients too: one past every bigint is past every event. */
const LAST_SEQUENCE = 2n ** 63n - 1n;

/** Whether it is one of a Postgres log; START is none of an event. */
export function isPosition(position: Position): boolean {
  return /^[0-9]{20}$/.test(position);
}

/** The number of a position, for a statement; START is before the first. */
export function sequenceOf(position: Position): string {
  if (position === '') return '0';
  if (!isPosition(position)) throw new RangeError(`${position} is no position of a Postgres log`);
  const sequence = BigInt(position);
  return String(sequence < LAST_SEQUENCE ? sequence : LAST_SEQUENCE);
}

/** Writes events as they were recorded, each at the position given for its index. The caller holds the lock. */
export async function insertEvents(
  tx: Session,
  events: readonly Recorded[],
  positionAt: (index: number) => string,
): Promise<void> {
  await tx.query(
    `INSERT INTO plinth_log.events
            (position, time_ms, version, schema_version, id, stream, type, nonce, data, metadata)
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::integer[], $5::uuid[], $6::text[],
                          $7::text[], $8::bytea[], $9::bytea[], $10::bytea[])`,
    [
      events.map((_, index) => positionAt(index)),
      events.map((event) => event.timeMs),
      events.map((event) => event.version),
      events.map((event) => event.schemaVersion),
      events.map((event) => event.id),
      events.map((event) => event.stream),
      events.map((event) => event.type),
      events.map((event) => event.nonce),
      events.map((event) => event.data),
      events.map((event) => event.metadata),
    ],
  );
}
