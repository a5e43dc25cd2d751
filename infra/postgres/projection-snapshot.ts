/** Rows of a revision as they were at one moment, read through a cursor however many they are. */
import type { Marks } from '../../projections/places.ts';
import type { RevisionSnapshot } from '../../projections/store.ts';
import type { Bookmark } from '../../schemas/envelope.ts';
import { PARKED_COLUMNS, type ParkedRow, parkedStream } from './parked-rows.ts';
import type { Pool, Session } from './pool.ts';
import { marksBeyond, readPlaces } from './projection-places.ts';
import { revisionTables } from './revision-tables.ts';

const FETCH_ROWS = 1000;

export async function snapshotRevision(
  pool: Pool,
  projection: string,
  revision: number,
): Promise<RevisionSnapshot> {
  let close: () => void = () => {};
  const closed = new Promise<void>((resolve) => {
    close = resolve;
  });
  return new Promise<RevisionSnapshot>((opened, failed) => {
    const done = pool
      .session(async (session) => {
        // Held while another revision is filled to the same position.
        await session.query(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
          SET LOCAL idle_in_transaction_session_timeout = 0`);
        try {
          opened(
            await read(session, projection, revision, async () => {
              close();
              await done;
            }),
          );
          await closed;
        } finally {
          await session.query('ROLLBACK');
        }
      })
      .catch(failed);
  });
}

async function read(
  session: Session,
  projection: string,
  revision: number,
  close: () => Promise<void>,
): Promise<RevisionSnapshot> {
  const [row] = await session.query<{ bookmark: Bookmark; marks: Marks | null }>(
    `SELECT json_build_object('epoch', epoch, 'position', "position", 'eventId', event_id) AS bookmark, marks
     FROM plinth.progress WHERE projection = $1 AND revision = $2`,
    [projection, revision],
  );
  if (!row) throw new Error(`${projection} has no revision ${revision}`);
  const places = await readPlaces(session, projection, revision);
  const parked = await session.query<ParkedRow>(
    `SELECT ${PARKED_COLUMNS} FROM plinth.parked_streams WHERE projection = $1 AND revision = $2`,
    [projection, revision],
  );
  const tables = revisionTables(projection, revision);
  return {
    bookmark: row.bookmark,
    marks: marksBeyond(places, row.marks),
    parked: parked.map(parkedStream),
    async *rows({ name, key }) {
      const keys = key.map((column) => `t."${column.replaceAll('"', '""')}"`).join(', ');
      // Every value as text: what JSON numbers would round must still differ.
      await session.query(
        `DECLARE rows NO SCROLL CURSOR FOR
         SELECT jsonb_build_array(${keys})::text COLLATE "C" AS key,
           (SELECT jsonb_object_agg(column_name, value) FROM jsonb_each_text(to_jsonb(t)) AS e (column_name, value))
             AS columns
         FROM ${tables(name)} t ORDER BY 1`,
      );
      try {
        for (;;) {
          const page = await session.query<{ key: string; columns: Record<string, unknown> }>(
            `FETCH ${FETCH_ROWS} FROM rows`,
          );
          yield* page;
          if (page.length < FETCH_ROWS) return;
        }
      } finally {
        await session.query('CLOSE rows');
      }
    },
    close,
  };
}
