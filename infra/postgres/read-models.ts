/** Queries over read models: one snapshot, whose first round trip answers the stamp. */
import pg from 'pg';
import type { Clock } from '../../commands/clock.ts';
import type { Stamp, Tables, Tx } from '../../projections/projection.ts';
import type { ReadModels, ReadOptions } from '../../projections/read-models.ts';
import type { Epoch, EventId, Position } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { listen } from './listen.ts';
import type { Pool, Session } from './pool.ts';
import { positionWaits } from './position-waits.ts';
import { PROJECTIONS_CHANNEL, revisionTables } from './revision-tables.ts';

/** How long a read waits for a position when it does not say. */
export const DEFAULT_WAIT_MS = 2000;
/** A read waits no longer than this, whatever it says. */
export const MAX_WAIT_MS = 10_000;

export interface ReadModelsOptions {
  /** Of the primary, or of a replica. */
  readonly pool: Pool;
  /** Where the notifications come from; by default the same. */
  readonly primary?: Pool;
  readonly clock: Clock;
}

export interface PostgresReadModels extends ReadModels {
  /** A runner of this process has committed: who waits for it need not wait for the notification. */
  moved(projection: string, position: Position): void;
  /** Stops listening. */
  close(): Promise<void>;
}

type Answer<R> =
  | { readonly kind: 'read'; readonly result: R; readonly stamp: Stamp }
  | { readonly kind: 'behind'; readonly position: Position }
  | { readonly kind: 'failed'; readonly error: unknown };

interface Place {
  name: string;
  revision: number;
  epoch: Epoch;
  position: Position;
  event_id: EventId | null;
  halted: string | null;
}

export function postgresReadModels({ pool, primary = pool, clock }: ReadModelsOptions): PostgresReadModels {
  const closing = new AbortController();
  const waits = positionWaits(pool, clock, closing.signal);
  let listening: Promise<void> | undefined;

  /** The listener starts with the first read that may have to wait. */
  const listenOnce = (): void => {
    listening ??= listen({
      connectionString: primary.connectionString,
      applicationName: primary.applicationName,
      channel: PROJECTIONS_CHANNEL,
      clock,
      signal: closing.signal,
      hint: (payload) => waits.hint(payload),
    });
  };

  /** One snapshot: the answer, or how far the projection is when that is not far enough. */
  const readOnce = <R>(
    projection: string,
    { atLeast, also = [] }: ReadOptions,
    query: (tx: Tx, tables: Tables, stamp: Stamp, tablesOf: (name: string) => Tables) => Promise<R>,
  ): Promise<Answer<R>> =>
    answeredEarly(pool, async (session): Promise<Answer<R>> => {
      // What goes wrong is answered, so that the connection goes back to the pool whole.
      try {
        const places = await begin(session, [projection, ...also]);
        const place = placeOf(places, projection);
        if (atLeast !== undefined && place.position < atLeast) {
          return { kind: 'behind', position: place.position };
        }
        for (const name of also) placeOf(places, name);
        const { revision, epoch, position } = place;
        const stamp: Stamp = { epoch, revision, position, eventId: place.event_id };
        const tablesOf = (name: string): Tables => revisionTables(name, placeOf(places, name).revision);
        const result = await query(session, tablesOf(projection), stamp, tablesOf);
        return { kind: 'read', result, stamp };
      } catch (error) {
        return { kind: 'failed', error };
      }
    });

  return {
    async read(projection, options, query) {
      const deadlineMs = clock.now() + Math.min(options.waitMs ?? DEFAULT_WAIT_MS, MAX_WAIT_MS);
      const { atLeast } = options;
      if (atLeast !== undefined) listenOnce();
      for (;;) {
        if (atLeast !== undefined) await waits.reached(projection, atLeast, deadlineMs - clock.now());
        const answer = await readOnce(projection, options, query);
        if (answer.kind === 'failed') throw answer.error;
        const { position } = answer.kind === 'read' ? answer.stamp : answer;
        if (atLeast !== undefined) waits.saw(projection, position);
        if (answer.kind === 'read') return { result: answer.result, stamp: answer.stamp };
        if (clock.now() >= deadlineMs || closing.signal.aborted) {
          throw new PlinthError(
            'projection_behind',
            `Projection ${projection} is at ${position || 'its start'}, before ${atLeast}.`,
          );
        }
      }
    },
    moved(projection, position) {
      // A replica gets there later.
      if (pool === primary) waits.moved(projection, position);
    },
    async close() {
      closing.abort();
      await listening;
    },
  };
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
    `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
     SELECT p.name, k.revision, k.epoch, k."position", k.event_id, k.halted
     FROM plinth.projections p
     JOIN plinth.checkpoints k ON k.projection = p.name AND k.revision = p.current_revision
     WHERE p.name IN (${list})`,
  );
  return new Map(rows.map((row) => [row.name, row]));
}

function placeOf(places: ReadonlyMap<string, Place>, projection: string): Place {
  const place = places.get(projection);
  if (!place) throw new PlinthError('unavailable', `Projection ${projection} has not been made yet.`);
  if (place.halted !== null) throw new PlinthError('log_epoch_changed', place.halted);
  return place;
}
