/** The transaction in which a projection advances: checkpoint first, then rows, parked list and changes. */
import pg from 'pg';
import type { Tx } from '../../projections/projection.ts';
import { type Advance, Fenced, type Lease, type RevisionState } from '../../projections/store.ts';
import type { Bookmark } from '../../schemas/envelope.ts';
import type { Pool, Prepared, Session } from './pool.ts';
import { statementOf } from './prepared-texts.ts';
import { revisionTables } from './revision-tables.ts';

/**
 * A read model can be lost and made again, and one that falls back a little after a crash of the server
 * applies the same events again: its commits need not wait for the disk.
 */
const ASYNC_COMMIT = "set_config('synchronous_commit', 'off', true)";

const HELD = "projection = $1 AND revision = $2 AND holder = $3 AND state <> 'old' AND halted IS NULL";

const ADVANCE_ALONE: Prepared = {
  name: 'projection-advance',
  text: `WITH setting AS MATERIALIZED (SELECT ${ASYNC_COMMIT})
    UPDATE plinth.checkpoints
    SET epoch = $7, "position" = $8, event_id = $9,
        lease_until = clock_timestamp() + $10 * interval '1 millisecond',
        marks = CASE WHEN $8 < marks_through THEN marks END,
        marks_through = CASE WHEN $8 < marks_through THEN marks_through END
    FROM setting
    WHERE ${HELD} AND epoch = $4 AND "position" = $5 AND event_id IS NOT DISTINCT FROM $6
    RETURNING 1`,
};

const CHANGED: Prepared = {
  name: 'projection-changed',
  text: `INSERT INTO plinth.changes (projection, revision, "position", stream)
    SELECT $1, $2, c."position", c.stream FROM unnest($3::text[], $4::text[]) AS c ("position", stream)`,
};

/**
 * Deletes all but the newest rows, and says so where polls look. It never goes back: a batch that pruned
 * instead of telling has left a gap above the rows that are deleted here.
 */
const PRUNE: Prepared = {
  name: 'projection-prune-changes',
  text: `WITH last AS (
      SELECT "position" FROM plinth.changes WHERE projection = $1 AND revision = $2
      ORDER BY "position" DESC OFFSET $3 LIMIT 1
    ), gone AS (
      DELETE FROM plinth.changes c USING last
      WHERE c.projection = $1 AND c.revision = $2 AND c."position" <= last."position"
    )
    UPDATE plinth.checkpoints k SET pruned_through = greatest(k.pruned_through, last."position")
    FROM last WHERE k.projection = $1 AND k.revision = $2`,
};

const PARK: Prepared = {
  name: 'projection-park',
  text: `INSERT INTO plinth.parked_streams
      (projection, revision, stream, first_version, first_position, last_version, events, error)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (projection, revision, stream) DO UPDATE SET
      first_version = excluded.first_version, first_position = excluded.first_position,
      last_version = excluded.last_version, events = excluded.events, error = excluded.error`,
};

const UNPARK: Prepared = {
  name: 'projection-unpark',
  text: 'DELETE FROM plinth.parked_streams WHERE projection = $1 AND revision = $2 AND stream = $3',
};

/** Moves the checkpoint over events that the projection ignores: one statement. */
export async function advanceAlone(pool: Pool, lease: Lease, from: Bookmark, to: Bookmark): Promise<void> {
  const { projection, revision, holder, ttlMs } = lease;
  const moved = await pool.query(ADVANCE_ALONE, [
    projection,
    revision,
    holder,
    from.epoch,
    from.position,
    from.eventId,
    to.epoch,
    to.position,
    to.eventId,
    ttlMs,
  ]);
  if (moved.length === 0) throw new Fenced(lease);
}

export interface ChangesLimit {
  readonly keptRows: number;
  /** Rows written since the last pruning, for `<projection>/<revision>`. */
  readonly written: Map<string, number>;
}

export function advanceWith(
  pool: Pool,
  lease: Lease,
  from: Bookmark,
  to: Bookmark,
  work: (advance: Advance<Tx>) => Promise<void>,
  limit: ChangesLimit,
  sent: <R>(answer: Promise<R>) => Promise<R>,
): Promise<void> {
  return inTransaction(pool, async (session) => {
    const startedMs = performance.now();
    const [row] = await session.query<{ state: RevisionState }>(beginSql(lease, from, to));
    if (!row) throw new Fenced(lease);
    await work(advanceOn(session, lease, row.state, limit, sent));
    const late = performance.now() - startedMs > lease.ttlMs / 3;
    // The first statement fails where the transaction has: COMMIT alone would roll back without a word.
    await session.query(`${late ? renewSql(lease) : 'SELECT 1'}; COMMIT`);
  });
}

/** `work` begins the transaction and commits it; when it throws, rolls back and throws the same on. */
export async function inTransaction(pool: Pool, work: (session: Session) => Promise<void>): Promise<void> {
  // What went wrong in order is answered, not thrown: the connection is whole and stays in the pool.
  const failed = await pool.session(async (session) => {
    try {
      await work(session);
      return null;
    } catch (error) {
      await session.query('ROLLBACK');
      return { error };
    }
  });
  if (failed) throw failed.error;
}

function advanceOn(
  session: Session,
  lease: Lease,
  state: RevisionState,
  limit: ChangesLimit,
  sent: <R>(answer: Promise<R>) => Promise<R>,
): Advance<Tx> {
  const { projection, revision } = lease;
  return {
    ...transactionOf(session, projection, revision, sent),
    async changed(changes) {
      if (state !== 'current') return;
      const positions = changes.map((change) => change.position);
      const streams = changes.map((change) => change.stream);
      await session.query(CHANGED, [projection, revision, positions, streams]);
      const counter = `${projection}/${revision}`;
      const written = (limit.written.get(counter) ?? limit.keptRows) + changes.length;
      const due = written >= limit.keptRows / 10;
      if (due) await session.query(PRUNE, [projection, revision, limit.keptRows]);
      limit.written.set(counter, due ? 0 : written);
    },
    async prunedHere() {
      await session.query(
        'UPDATE plinth.checkpoints SET pruned_through = "position" WHERE projection = $1 AND revision = $2',
        [projection, revision],
      );
    },
  };
}

/** What every transaction that advances a revision can do. */
export function transactionOf(
  session: Session,
  projection: string,
  revision: number,
  sent: <R>(answer: Promise<R>) => Promise<R>,
): Omit<Advance<Tx>, 'changed' | 'prunedHere'> {
  return {
    tx: { query: (sql, params) => sent(session.query(statementOf(sql), params)) },
    tables: revisionTables(projection, revision),
    async savepoint(work) {
      await sent(session.query('SAVEPOINT attempt'));
      try {
        const result = await work();
        await sent(session.query('RELEASE SAVEPOINT attempt'));
        return result;
      } catch (error) {
        await sent(session.query('ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt'));
        throw error;
      }
    },
    async park(p) {
      await session.query(PARK, [
        projection,
        revision,
        p.stream,
        p.firstVersion,
        p.firstPosition,
        p.lastVersion,
        p.events,
        p.error,
      ]);
    },
    async unpark(stream) {
      await session.query(UNPARK, [projection, revision, stream]);
    },
  };
}

/** Begins and moves the checkpoint in one round trip; its row stays locked against other runners. */
function beginSql(lease: Lease, from: Bookmark, to: Bookmark): string {
  const text = (value: string | null) => (value === null ? 'NULL' : pg.escapeLiteral(value));
  return `BEGIN;
    SELECT ${ASYNC_COMMIT}, set_config('idle_in_transaction_session_timeout', '${Math.ceil(lease.ttlMs)}', true);
    UPDATE plinth.checkpoints
    SET epoch = ${text(to.epoch)}, "position" = ${text(to.position)}, event_id = ${text(to.eventId)},
        lease_until = ${leaseUntil(lease)},
        marks = CASE WHEN ${text(to.position)} < marks_through THEN marks END,
        marks_through = CASE WHEN ${text(to.position)} < marks_through THEN marks_through END
    WHERE projection = ${text(lease.projection)} AND revision = ${Math.trunc(lease.revision)}
      AND holder = ${text(lease.holder)} AND state <> 'old' AND halted IS NULL
      AND epoch = ${text(from.epoch)} AND "position" = ${text(from.position)}
      AND event_id IS NOT DISTINCT FROM ${text(from.eventId)}
    RETURNING state`;
}

function renewSql(lease: Lease): string {
  return `UPDATE plinth.checkpoints SET lease_until = ${leaseUntil(lease)}
    WHERE projection = ${pg.escapeLiteral(lease.projection)} AND revision = ${Math.trunc(lease.revision)}`;
}

function leaseUntil(lease: Lease): string {
  return `clock_timestamp() + ${Math.ceil(lease.ttlMs)} * interval '1 millisecond'`;
}
