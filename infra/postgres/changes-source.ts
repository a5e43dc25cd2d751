/** `changes` of a projection, polled in one statement and so in one snapshot; on the primary. */
import type { Clock } from '../../commands/clock.ts';
import type { ChangesSource } from '../../projections/changes.ts';
import type { Epoch, EventId, Position, StreamId } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { listen } from './listen.ts';
import type { Pool, Prepared } from './pool.ts';
import { PROJECTIONS_CHANNEL } from './revision-tables.ts';

/** Changes in one answer, at most. */
export const MAX_CHANGES_ROWS = 1000;

const POLL: Prepared = {
  name: 'projection-poll-changes',
  text: `SELECT k.epoch, k.revision, k."position", k.event_id, k.halted, k.pruned_through,
      (SELECT json_agg(json_build_array(c."position", c.stream)) FROM (
        SELECT "position", stream FROM plinth.changes
        WHERE projection = $1 AND revision = k.revision AND "position" > $2
        ORDER BY "position" LIMIT $3
      ) c) AS changes
    FROM plinth.projections p
    JOIN plinth.progress k ON k.projection = p.name AND k.revision = p.current_revision
    WHERE p.name = $1`,
};

interface Row {
  epoch: Epoch;
  revision: number;
  position: Position;
  event_id: EventId | null;
  halted: string | null;
  pruned_through: Position;
  changes: readonly (readonly [Position, StreamId])[] | null;
}

export interface ChangesSourceOptions {
  readonly clock: Clock;
  readonly maxRows?: number;
}

/** A poll of a projection that nobody has run yet throws `unavailable`. */
export function postgresChangesSource(
  primary: Pool,
  projection: string,
  { clock, maxRows = MAX_CHANGES_ROWS }: ChangesSourceOptions,
): ChangesSource {
  return {
    async poll(after) {
      // One row more than told says whether there are more.
      const [row] = await primary.query<Row>(POLL, [projection, after, maxRows + 1]);
      if (!row) throw new PlinthError('unavailable', `Projection ${projection} has not been made yet.`);
      const changes = row.changes ?? [];
      return {
        stamp: { epoch: row.epoch, revision: row.revision, position: row.position, eventId: row.event_id },
        changes: changes.slice(0, maxRows).map(([position, stream]) => ({ position, stream })),
        complete: changes.length <= maxRows,
        prunedThrough: row.pruned_through,
        halted: row.halted,
      };
    },
    listen: (hint, signal) =>
      listen({
        connectionString: primary.connectionString,
        applicationName: primary.applicationName,
        channel: PROJECTIONS_CHANNEL,
        clock,
        signal,
        // Without a payload: the connection is back, something may have been missed.
        hint: (payload) => {
          if (payload === '' || payload === projection) hint();
        },
      }),
  };
}
