/** One read in one snapshot, whose first round trip answers where the projections are in it. */
import pg from 'pg';
import type { Stamp, Tables, Tx } from '../../projections/projection.ts';
import type { ReadOptions } from '../../projections/read-models.ts';
import type { Epoch, EventId, Position } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import type { Pool, Session } from './pool.ts';
import { preparing } from './prepared-texts.ts';
import { revisionTables } from './revision-tables.ts';

export interface Place {
  readonly name: string;
  readonly revision: number;
  readonly epoch: Epoch;
  readonly position: Position;
  readonly event_id: EventId | null;
  readonly halted: string | null;
}

export type Query<R> = (
  tx: Tx,
  tables: Tables,
  stamp: Stamp,
  tablesOf: (name: string) => Tables,
) => Promise<R>;

export type Answer<R> =
  | { readonly kind: 'read'; readonly result: R; readonly stamp: Stamp }
  | { readonly kind: 'behind'; readonly position: Position }
  /** `accept` did not. */
  | { readonly kind: 'declined' }
  | { readonly kind: 'failed'; readonly error: unknown };

/**
 * The answer, or how far the projection is when that is not far enough. Rejects when the connection fails.
 *
 * @param accept is shown the places before anything else is read; false: nothing is
 */
export function readSnapshot<R>(
  pool: Pool,
  projection: string,
  { atLeast, also = [] }: ReadOptions,
  query: Query<R>,
  accept: (places: ReadonlyMap<string, Place>) => boolean = () => true,
): Promise<Answer<R>> {
  return answeredEarly(pool, async (session): Promise<Answer<R>> => {
    // What goes wrong is answered, so that the connection goes back to the pool whole.
    try {
      const places = await begin(session, [projection, ...also]);
      if (!accept(places)) return { kind: 'declined' };
      const place = placeOf(places, projection);
      if (atLeast !== undefined && place.position < atLeast) {
        return { kind: 'behind', position: place.position };
      }
      for (const name of also) placeOf(places, name);
      const { revision, epoch, position } = place;
      const stamp: Stamp = { epoch, revision, position, eventId: place.event_id };
      const tablesOf = (name: string): Tables => revisionTables(name, placeOf(places, name).revision);
      const result = await query(preparing(session), tablesOf(projection), stamp, tablesOf);
      return { kind: 'read', result, stamp };
    } catch (error) {
      return { kind: 'failed', error };
    }
  });
}

/** Answers before the end of the read-only transaction, which changes nothing, has made its round trip. */
function answeredEarly<R>(pool: Pool, work: (session: Session) => Promise<R>): Promise<R> {
  return new Promise((resolve, reject) => {
    pool
      .session(async (session) => {
        resolve(await work(session));
        await session.query('COMMIT');
      })
      .catch(reject);
  });
}

/** One round trip; the stamp's statement takes the snapshot that all later ones see. */
async function begin(session: Session, names: readonly string[]): Promise<ReadonlyMap<string, Place>> {
  const list = names.map((name) => pg.escapeLiteral(name)).join(', ');
  const rows = await session.query<Place>(
    `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT * FROM plinth.stands(ARRAY[${list}])`,
  );
  return new Map(rows.map((row) => [row.name, row]));
}

function placeOf(places: ReadonlyMap<string, Place>, projection: string): Place {
  const place = places.get(projection);
  if (!place) throw new PlinthError('unavailable', `Projection ${projection} has not been made yet.`);
  if (place.halted !== null) throw new PlinthError('log_epoch_changed', place.halted);
  return place;
}
