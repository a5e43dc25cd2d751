/** The projection store in PostgreSQL: checkpoints in schema `plinth`, rows in a schema a revision. */
import type { Marks } from '../../projections/places.ts';
import type { Tx } from '../../projections/projection.ts';
import {
  type Acquired,
  KEPT_CHANGES_ROWS,
  type ParkedStream,
  type ProjectionStore,
  type RevisionState,
} from '../../projections/store.ts';
import type { Epoch, EventId, Position } from '../../schemas/envelope.ts';
import { isTransient, sqlState } from './errors.ts';
import { migrate, migrationsIn } from './migrations.ts';
import { PARKED_COLUMNS, type ParkedRow, parkedStream } from './parked-rows.ts';
import type { Pool, Prepared } from './pool.ts';
import { advanceAlone, advanceWith, type ChangesLimit } from './projection-advance.ts';
import { joinFeed, leaveFeed, movePlaces, readPlaces } from './projection-places.ts';
import { dropRevision, openRevision, promoteRevision } from './projection-revisions.ts';
import { snapshotRevision } from './projection-snapshot.ts';
import { haltRevision, readRevisions } from './projection-states.ts';
import { PROJECTIONS_CHANNEL } from './revision-tables.ts';

/**
 * SQLSTATE of what no event can be blamed for, besides what is transient anyway: a lost transaction state,
 * tables or rights that somebody took away.
 */
const NOT_THE_EVENT = ['25', '42501', '42P01', '42703', '3F000'];

/** Skips a row that is locked: whoever locks it is active. */
const ACQUIRE: Prepared = {
  name: 'projection-acquire',
  text: `WITH free AS (
      SELECT projection, revision FROM plinth.checkpoints
      WHERE projection = $1 AND revision = $2 AND state <> 'old' AND halted IS NULL
        AND generation IS NULL AND (holder IS NULL OR holder = $3 OR lease_until < clock_timestamp())
      FOR UPDATE SKIP LOCKED
    )
    UPDATE plinth.checkpoints k
    SET holder = $3, lease_until = clock_timestamp() + $4 * interval '1 millisecond'
    FROM free WHERE k.projection = free.projection AND k.revision = free.revision
    RETURNING k.state, k.epoch, k."position", k.event_id, k.marks`,
};

const RENEW: Prepared = {
  name: 'projection-renew',
  text: `UPDATE plinth.checkpoints SET lease_until = clock_timestamp() + $4 * interval '1 millisecond'
    WHERE projection = $1 AND revision = $2 AND holder = $3 AND state <> 'old' AND halted IS NULL RETURNING 1`,
};

export async function migrateProjections(pool: Pool): Promise<readonly string[]> {
  return migrate(pool, 'plinth', await migrationsIn(new URL('./projections-schema/', import.meta.url)));
}

export interface PostgresProjectionStoreOptions {
  readonly keptChangesRows?: number;
  /** Told of every commit of a runner of this process. */
  readonly advanced?: (projection: string, position: Position) => void;
}

export function postgresProjectionStore(
  pool: Pool,
  options: PostgresProjectionStoreOptions = {},
): ProjectionStore<Tx> {
  const limit: ChangesLimit = {
    keptRows: options.keptChangesRows ?? KEPT_CHANGES_ROWS,
    written: new Map(),
  };
  /** Errors that came from the connection and not from the server's judgement of a statement. */
  const lost = new WeakSet<object>();
  const sent = async <R>(answer: Promise<R>): Promise<R> => {
    try {
      return await answer;
    } catch (error) {
      if (sqlState(error) === null) lost.add(error as object);
      throw error;
    }
  };

  // After the commit and on its own: NOTIFY inside would make all notifying transactions commit one by
  // one, each through its flush. At most one is on its way and one waits.
  const notifying = new Set<string>();
  const notifyAgain = new Set<string>();
  const notify = (projection: string): void => {
    if (notifying.has(projection)) {
      notifyAgain.add(projection);
      return;
    }
    notifying.add(projection);
    pool
      .query({ name: 'projection-notify', text: 'SELECT pg_notify($1, $2)' }, [
        PROJECTIONS_CHANNEL,
        projection,
      ])
      .catch(() => {})
      .finally(() => {
        notifying.delete(projection);
        if (notifyAgain.delete(projection)) notify(projection);
      });
  };

  return {
    open: (projection, purpose, epoch) => openRevision(pool, projection, purpose, epoch),

    async acquire(projection, revision, holder, ttlMs): Promise<Acquired> {
      const [row] = await pool.query<{
        state: RevisionState;
        epoch: string;
        position: string;
        event_id: string | null;
        marks: Marks | null;
      }>(ACQUIRE, [projection, revision, holder, ttlMs]);
      if (!row) return whyNot(pool, projection, revision);
      return {
        kind: 'held',
        lease: { projection, revision, holder, ttlMs },
        state: row.state,
        bookmark: {
          epoch: row.epoch as Epoch,
          position: row.position as Position,
          eventId: row.event_id as EventId | null,
        },
        marks: row.marks,
        parked: await parkedStreams(pool, projection, revision),
      };
    },

    async renew({ projection, revision, holder, ttlMs }) {
      return (await pool.query(RENEW, [projection, revision, holder, ttlMs])).length > 0;
    },

    async release({ projection, revision, holder }) {
      await pool.query(
        `UPDATE plinth.checkpoints SET holder = NULL, lease_until = NULL
         WHERE projection = $1 AND revision = $2 AND holder = $3`,
        [projection, revision, holder],
      );
    },

    async advance(lease, from, to, work) {
      if (work) await advanceWith(pool, lease, from, to, work, limit, sent);
      else await advanceAlone(pool, lease, from, to);
      options.advanced?.(lease.projection, to.position);
      notify(lease.projection);
    },

    async promote(lease, catchUp) {
      const answer = await promoteRevision(pool, lease, catchUp);
      if (answer === 'promoted') notify(lease.projection);
      return answer;
    },

    join: (lease, from, places) => joinFeed(pool, lease, from, places),
    leave: (fed) => leaveFeed(pool, fed),
    places: (projection, revision) => readPlaces(pool, projection, revision),
    parkedStreams: (projection, revision) => parkedStreams(pool, projection, revision),

    async advancePlaces(fed, moves, work) {
      await movePlaces(pool, fed, moves, work, sent);
      // The least of them may or may not have been among these: who waits looks.
      notify(fed.projection);
    },

    async halt(projection, revision, bookmark, reason) {
      await haltRevision(pool, projection, revision, bookmark, reason);
      notify(projection);
    },

    async adopt(projection, revision, bookmark, epoch) {
      const adopted = await pool.query(
        `UPDATE plinth.checkpoints SET epoch = $6, halted = NULL,
           marks = CASE WHEN marks IS NOT NULL THEN jsonb_set(marks, '{at}',
             (SELECT jsonb_agg(jsonb_set(m, '{bookmark,epoch}', to_jsonb($6::text)))
              FROM jsonb_array_elements(marks -> 'at') AS m)) END
         WHERE projection = $1 AND revision = $2 AND epoch = $3 AND "position" = $4
           AND event_id IS NOT DISTINCT FROM $5 AND generation IS NULL RETURNING 1`,
        [projection, revision, bookmark.epoch, bookmark.position, bookmark.eventId, epoch],
      );
      notify(projection);
      return adopted.length > 0;
    },

    revisions: (projection) => readRevisions(pool, projection ?? null),

    async parked(projection, { after = '', limit: rows }) {
      const parked = await pool.query<ParkedRow>(
        `SELECT ${PARKED_COLUMNS} FROM plinth.parked_streams
         WHERE projection = $1 AND stream > $2
           AND revision = (SELECT current_revision FROM plinth.projections WHERE name = $1)
         ORDER BY stream LIMIT $3`,
        [projection, after, rows],
      );
      return parked.map(parkedStream);
    },

    async isParked(projection, streams) {
      const [row] = await pool.query<{ parked: boolean }>(
        {
          name: 'projection-is-parked',
          text: `SELECT EXISTS (SELECT FROM plinth.parked_streams WHERE projection = $1 AND stream = ANY ($2)
            AND revision = (SELECT current_revision FROM plinth.projections WHERE name = $1)) AS parked`,
        },
        [projection, streams],
      );
      return row!.parked;
    },

    drop: (projection, revision) => dropRevision(pool, projection, revision),
    snapshot: (projection, revision) => snapshotRevision(pool, projection, revision),

    isTransient(error) {
      const state = sqlState(error);
      if (state !== null && NOT_THE_EVENT.some((prefix) => state.startsWith(prefix))) return true;
      return isTransient(error) || (typeof error === 'object' && error !== null && lost.has(error));
    },
  };
}

async function whyNot(pool: Pool, projection: string, revision: number): Promise<Acquired> {
  const [row] = await pool.query<{
    state: RevisionState;
    halted: string | null;
    holder: string | null;
    generation: number | null;
    partitions: number | null;
  }>(
    `SELECT state, halted, holder, generation, partitions FROM plinth.checkpoints
     WHERE projection = $1 AND revision = $2`,
    [projection, revision],
  );
  if (!row || row.state === 'old') return { kind: 'retired' };
  const { state, halted, holder, generation, partitions } = row;
  if (halted !== null) return { kind: 'halted', reason: halted };
  if (generation === null || partitions === null) return { kind: 'busy', holder };
  return { kind: 'fed', projection, revision, state, generation: { generation, partitions } };
}

async function parkedStreams(
  pool: Pool,
  projection: string,
  revision: number,
): Promise<readonly ParkedStream[]> {
  const parked = await pool.query<ParkedRow>(
    `SELECT ${PARKED_COLUMNS} FROM plinth.parked_streams WHERE projection = $1 AND revision = $2`,
    [projection, revision],
  );
  return parked.map(parkedStream);
}
