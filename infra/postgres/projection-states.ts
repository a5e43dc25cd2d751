/** Halting a revision, and telling of all of them. */
import { marksOf, type Places, sameBookmark } from '../../projections/places.ts';
import type { Revision } from '../../projections/store.ts';
import type { Bookmark } from '../../schemas/envelope.ts';
import type { Pool } from './pool.ts';
import { endFeed, lockCheckpoint } from './projection-places.ts';

/** If the checkpoint, or in feed mode any place, is still at the bookmark; feed mode ends. */
export async function haltRevision(
  pool: Pool,
  projection: string,
  revision: number,
  bookmark: Bookmark,
  reason: string,
): Promise<void> {
  await pool
    .transaction(async (tx) => {
      const fed = await lockCheckpoint(tx, projection, revision);
      if (fed && fed.partitions !== null) {
        const places = await endFeed(tx, projection, revision, fed.partitions);
        if (!places.some((place) => sameBookmark(place.bookmark, bookmark))) throw new HasMoved();
        await tx.query('UPDATE plinth.checkpoints SET halted = $3 WHERE projection = $1 AND revision = $2', [
          projection,
          revision,
          reason,
        ]);
        return;
      }
      await tx.query(
        `UPDATE plinth.checkpoints SET halted = $6 WHERE projection = $1 AND revision = $2
           AND epoch = $3 AND "position" = $4 AND event_id IS NOT DISTINCT FROM $5`,
        [projection, revision, bookmark.epoch, bookmark.position, bookmark.eventId, reason],
      );
    })
    .catch((error: unknown) => {
      if (!(error instanceof HasMoved)) throw error;
    });
}

/** Rolls back: it goes on where others have brought it. */
class HasMoved extends Error {
  override readonly name = 'HasMoved';
}

interface Row extends Omit<Revision, 'feed'> {
  readonly generation: number | null;
  readonly partitions: number | null;
  readonly places: Places['places'] | null;
}

export async function readRevisions(pool: Pool, projection: string | null): Promise<readonly Revision[]> {
  const rows = await pool.query<Row>(
    `SELECT projection, revision, code_revision AS "codeRevision", state,
       json_build_object('epoch', epoch, 'position', "position", 'eventId', event_id) AS bookmark,
       CASE WHEN lease_until > clock_timestamp() THEN holder END AS holder, halted,
       pruned_through AS "prunedThrough", generation, partitions, marks,
       CASE WHEN generation IS NOT NULL THEN (
         SELECT json_agg(json_build_object('domain', domain, 'partition', partition, 'offset', next_offset,
           'bookmark', json_build_object('epoch', s.epoch, 'position', s."position", 'eventId', s.event_id))
           ORDER BY domain, partition)
         FROM plinth.places s WHERE s.projection = k.projection AND s.revision = k.revision) END AS places,
       (SELECT count(*)::integer FROM plinth.parked_streams p
        WHERE p.projection = k.projection AND p.revision = k.revision) AS "parkedStreams"
     FROM plinth.progress k WHERE $1::text IS NULL OR projection = $1 ORDER BY projection, revision`,
    [projection],
  );
  return rows.map(({ generation, partitions, places, marks, ...row }): Revision => {
    if (generation === null || partitions === null) return { ...row, feed: null, marks };
    const feed = { generation, partitions };
    return { ...row, feed, marks: places && marksOf({ ...feed, places }) };
  });
}
