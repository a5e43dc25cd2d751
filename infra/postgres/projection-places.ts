/**
 * Feed mode in PostgreSQL: rows in `plinth.places`, one a partition.
 *
 * Members move places at the same time, each locking the rows of its own places and never the checkpoint's for
 * writing. Whatever ends feed mode (leaving, a halt, a swap) locks the checkpoint first, FOR NO KEY UPDATE,
 * and then deletes the rows. In READ COMMITTED that is safe both ways round: a DELETE that meets a member's
 * open transaction waits for its end and returns the row as it was committed, so no batch is left out of
 * the marks; a member that meets the DELETE waits, finds its row gone and is fenced. A revision that is
 * retired, halted, left or dropped has no rows, so the row alone is the right to move it. FOR UPDATE would
 * not do: a member that parks a stream checks its foreign key with a key share lock on the checkpoint, for
 * which it would wait on one who waits for it.
 */
import {
  greatestPosition,
  leastPlace,
  type Marks,
  type Move,
  marksOf,
  type Place,
  type Places,
} from '../../projections/places.ts';
import type { Tx } from '../../projections/projection.ts';
import { type Advance, type FedRevision, Fenced, type Lease } from '../../projections/store.ts';
import type { Bookmark, Epoch, EventId, Position } from '../../schemas/envelope.ts';
import type { Pool, Prepared, Session } from './pool.ts';
import { inTransaction, transactionOf } from './projection-advance.ts';

interface PlaceRow {
  readonly domain: string;
  readonly partition: number;
  readonly epoch: Epoch;
  readonly position: Position;
  readonly event_id: EventId | null;
  readonly next_offset: string;
}

const PLACE_COLUMNS = 'domain, partition, epoch, "position", event_id, next_offset';

function placeOf({ domain, partition, epoch, position, event_id, next_offset }: PlaceRow): Place {
  return { domain, partition, bookmark: { epoch, position, eventId: event_id }, offset: next_offset };
}

export async function joinFeed(
  pool: Pool,
  lease: Lease,
  from: Bookmark,
  { generation, partitions, places }: Places,
): Promise<void> {
  const { projection, revision, holder } = lease;
  await pool.transaction(async (tx) => {
    const moved = await tx.query(
      `UPDATE plinth.checkpoints
       SET generation = $7, partitions = $8, holder = NULL, lease_until = NULL
       WHERE projection = $1 AND revision = $2 AND holder = $3 AND state = 'current' AND halted IS NULL
         AND epoch = $4 AND "position" = $5 AND event_id IS NOT DISTINCT FROM $6
         AND generation IS NULL AND marks IS NULL
       RETURNING 1`,
      [projection, revision, holder, from.epoch, from.position, from.eventId, generation, partitions],
    );
    if (moved.length === 0) throw new Fenced(lease);
    await tx.query(
      `INSERT INTO plinth.places (projection, revision, generation, ${PLACE_COLUMNS})
       SELECT $1, $2, $3, p.* FROM unnest($4::text[], $5::int[], $6::text[], $7::text[], $8::text[], $9::text[]) AS p`,
      [
        projection,
        revision,
        generation,
        places.map((place) => place.domain),
        places.map((place) => place.partition),
        places.map((place) => place.bookmark.epoch),
        places.map((place) => place.bookmark.position),
        places.map((place) => place.bookmark.eventId),
        places.map((place) => place.offset),
      ],
    );
  });
}

export async function leaveFeed(
  pool: Pool,
  { projection, revision, generation }: FedRevision,
): Promise<void> {
  await pool.transaction(async (tx) => {
    const fed = await lockCheckpoint(tx, projection, revision);
    if (fed?.generation === generation.generation) await endFeed(tx, projection, revision, fed.partitions!);
  });
}

/** Held to the end of the transaction: none begins or ends feed mode meanwhile, or moves the checkpoint. */
export async function lockCheckpoint(
  tx: Session,
  projection: string,
  revision: number,
): Promise<{ readonly generation: number | null; readonly partitions: number | null } | null> {
  const [row] = await tx.query<{ generation: number | null; partitions: number | null }>(
    `SELECT generation, partitions FROM plinth.checkpoints WHERE projection = $1 AND revision = $2
     FOR NO KEY UPDATE`,
    [projection, revision],
  );
  return row ?? null;
}

/** The places as they were at the end. The checkpoint must be locked and in feed mode. */
export async function endFeed(
  tx: Session,
  projection: string,
  revision: number,
  partitions: number,
): Promise<readonly Place[]> {
  const rows = await tx.query<PlaceRow>(
    `DELETE FROM plinth.places WHERE projection = $1 AND revision = $2 RETURNING ${PLACE_COLUMNS}`,
    [projection, revision],
  );
  const places = rows.map(placeOf);
  const { bookmark } = leastPlace(places);
  const marks = marksOf({ generation: 0, partitions, places });
  await tx.query(
    `UPDATE plinth.checkpoints
     SET generation = NULL, partitions = NULL, holder = NULL, lease_until = NULL,
       epoch = $3, "position" = $4, event_id = $5, marks = $6, marks_through = $7
     WHERE projection = $1 AND revision = $2`,
    [
      projection,
      revision,
      bookmark.epoch,
      bookmark.position,
      bookmark.eventId,
      marks && JSON.stringify(marks),
      marks && greatestPosition(bookmark, marks),
    ],
  );
  return places;
}

/** Waits for those who move one; nobody moves any more until the transaction ends. */
export async function lockPlaces(
  tx: Session,
  projection: string,
  revision: number,
): Promise<readonly Place[]> {
  const rows = await tx.query<PlaceRow>(
    `SELECT ${PLACE_COLUMNS} FROM plinth.places WHERE projection = $1 AND revision = $2 FOR NO KEY UPDATE`,
    [projection, revision],
  );
  return rows.map(placeOf);
}

const PLACES: Prepared = {
  name: 'projection-places',
  text: `SELECT k.partitions, s.generation, s.domain, s.partition, s.epoch, s."position", s.event_id, s.next_offset
    FROM plinth.checkpoints k
    JOIN plinth.places s ON s.projection = k.projection AND s.revision = k.revision
    WHERE k.projection = $1 AND k.revision = $2 ORDER BY s.domain, s.partition`,
};

export async function readPlaces(tx: Session, projection: string, revision: number): Promise<Places | null> {
  const rows = await tx.query<PlaceRow & { generation: number; partitions: number }>(PLACES, [
    projection,
    revision,
  ]);
  const [first] = rows;
  if (!first) return null;
  return { generation: first.generation, partitions: first.partitions, places: rows.map(placeOf) };
}

/** What is applied beyond the bookmark: the places in feed mode, or the marks that they left. */
export function marksBeyond(places: Places | null, marks: Marks | null): Marks | null {
  return places ? marksOf(places) : marks;
}

/** All of them or none; locked in one order, so that two members who both think that some are theirs wait for one another, and not both. */
const MOVE: Prepared = {
  name: 'projection-move-places',
  text: `WITH setting AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
    held AS MATERIALIZED (
      SELECT s.domain FROM plinth.places s
      JOIN unnest($4::text[], $5::int[], $6::text[], $7::text[], $8::text[], $9::text[])
        AS f (domain, partition, epoch, "position", event_id, next_offset)
        ON s.domain = f.domain AND s.partition = f.partition AND s.epoch = f.epoch
          AND s."position" = f."position" AND s.event_id IS NOT DISTINCT FROM f.event_id
          AND s.next_offset = f.next_offset
      WHERE s.projection = $1 AND s.revision = $2 AND s.generation = $3
      ORDER BY s.domain, s.partition FOR NO KEY UPDATE OF s
    )
    UPDATE plinth.places s
    SET epoch = t.epoch, "position" = t."position", event_id = t.event_id, next_offset = t.next_offset
    FROM setting, unnest($4::text[], $5::int[], $10::text[], $11::text[], $12::text[], $13::text[])
      AS t (domain, partition, epoch, "position", event_id, next_offset)
    WHERE s.projection = $1 AND s.revision = $2 AND s.domain = t.domain AND s.partition = t.partition
      AND (SELECT count(*) FROM held) = cardinality($4::text[])
    RETURNING 1`,
};

/** A member that stands still in a transaction holds up who would end feed mode for this long at most. */
const IDLE_MS = 1500;

export async function movePlaces(
  pool: Pool,
  fed: FedRevision,
  moves: readonly Move[],
  work: ((advance: Advance<Tx>) => Promise<void>) | null,
  sent: <R>(answer: Promise<R>) => Promise<R>,
): Promise<void> {
  const columns = (side: 'from' | 'to') => [
    moves.map((each) => each[side].bookmark.epoch),
    moves.map((each) => each[side].bookmark.position),
    moves.map((each) => each[side].bookmark.eventId),
    moves.map((each) => each[side].offset),
  ];
  const move = async (session: Session): Promise<void> => {
    const moved = await session.query(MOVE, [
      fed.projection,
      fed.revision,
      fed.generation.generation,
      moves.map(({ from }) => from.domain),
      moves.map(({ from }) => from.partition),
      ...columns('from'),
      ...columns('to'),
    ]);
    if (moved.length < moves.length) throw new Fenced(fed);
  };
  if (!work) return move(pool);
  const none = () => Promise.reject(new Error('a projection that is fed tells no changes'));
  await inTransaction(pool, async (session) => {
    await session.query(`BEGIN; SET LOCAL idle_in_transaction_session_timeout = ${IDLE_MS}`);
    await move(session);
    await work({
      ...transactionOf(session, fed.projection, fed.revision, sent),
      changed: none,
      prunedHere: none,
    });
    // The first statement fails where the transaction has: COMMIT alone would roll back without a word.
    await session.query('SELECT 1; COMMIT');
  });
}
