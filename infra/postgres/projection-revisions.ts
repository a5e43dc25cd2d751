/** Making, swapping and dropping revisions; each in one transaction, one at a time for a projection. */
import { greatestPosition, leastPlace, marksOf } from '../../projections/places.ts';
import type { Projection, Tx } from '../../projections/projection.ts';
import {
  Fenced,
  type Lease,
  type Purpose,
  RebuildRunning,
  type RevisionState,
  Superseded,
} from '../../projections/store.ts';
import type { Epoch, Position } from '../../schemas/envelope.ts';
import type { Pool, Session } from './pool.ts';
import { endFeed, lockPlaces } from './projection-places.ts';
import { revisionSchema, revisionTables } from './revision-tables.ts';

interface Row {
  revision: number;
  code_revision: number;
  state: RevisionState;
  holder: string | null;
  leased: boolean;
}

const REVISIONS = `SELECT revision, code_revision, state, holder,
    holder IS NOT NULL AND lease_until > clock_timestamp() AS leased
  FROM plinth.checkpoints WHERE projection = $1 ORDER BY revision`;

export function openRevision(
  pool: Pool,
  projection: Projection<Tx>,
  purpose: Purpose,
  epoch: Epoch,
): Promise<number> {
  const { name, revision: code } = projection;
  return pool.transaction(async (tx) => {
    await tx.query('INSERT INTO plinth.projections (name) VALUES ($1) ON CONFLICT DO NOTHING', [name]);
    await tx.query('SELECT FROM plinth.projections WHERE name = $1 FOR UPDATE', [name]);
    const rows = await tx.query<Row>(REVISIONS, [name]);
    const current = rows.find((row) => row.state === 'current');
    if (current && current.code_revision > code) {
      throw new Superseded(`${name} is at code revision ${current.code_revision}, this is ${code}`);
    }
    if (purpose === 'serve') {
      if (!current) return createRevision(tx, projection, 'current', epoch);
      if (current.code_revision === code) return current.revision;
      const building = rows.find((row) => row.state === 'building' && row.code_revision === code);
      return building?.revision ?? createRevision(tx, projection, 'building', epoch);
    }
    const abandoned: readonly RevisionState[] =
      purpose === 'rebuild' ? ['building', 'shadow', 'old'] : ['shadow'];
    for (const row of rows) {
      if (purpose === 'rebuild' && row.state === 'building' && row.leased) {
        throw new RebuildRunning(`${row.holder} is rebuilding ${name}`);
      }
      if (abandoned.includes(row.state) && !row.leased) await dropTables(tx, name, row.revision);
    }
    return createRevision(tx, projection, purpose === 'rebuild' ? 'building' : 'shadow', epoch);
  });
}

async function createRevision(
  tx: Session,
  projection: Projection<Tx>,
  state: RevisionState,
  epoch: Epoch,
): Promise<number> {
  const { name } = projection;
  const [made] = await tx.query<{ revision: number }>(
    `UPDATE plinth.projections SET last_revision = last_revision + 1,
       current_revision = CASE WHEN $2 THEN last_revision + 1 ELSE current_revision END
     WHERE name = $1 RETURNING last_revision AS revision`,
    [name, state === 'current'],
  );
  const { revision } = made!;
  await tx.query(
    `INSERT INTO plinth.checkpoints (projection, revision, code_revision, state, epoch, "position")
     VALUES ($1, $2, $3, $4, $5, '')`,
    [name, revision, projection.revision, state, epoch],
  );
  await tx.query(`CREATE SCHEMA ${revisionSchema(name, revision)}`);
  await projection.create(tx, revisionTables(name, revision));
  return revision;
}

async function dropTables(tx: Session, name: string, revision: number): Promise<void> {
  await tx.query(`DROP SCHEMA IF EXISTS ${revisionSchema(name, revision)} CASCADE`);
  await tx.query('DELETE FROM plinth.changes WHERE projection = $1 AND revision = $2', [name, revision]);
  await tx.query('DELETE FROM plinth.checkpoints WHERE projection = $1 AND revision = $2', [name, revision]);
}

export function dropRevision(pool: Pool, name: string, revision: number): Promise<boolean> {
  return pool.transaction(async (tx) => {
    await tx.query('SELECT FROM plinth.projections WHERE name = $1 FOR UPDATE', [name]);
    const row = (await tx.query<Row>(REVISIONS, [name])).find((r) => r.revision === revision);
    if (!row || row.state === 'current' || row.leased) return false;
    await dropTables(tx, name, revision);
    return true;
  });
}

interface Checkpoint {
  revision: number;
  epoch: string;
  position: Position;
  state: RevisionState;
  holder: string | null;
  halted: string | null;
  partitions: number | null;
  marks_through: Position | null;
}

const CHECKPOINT = `SELECT revision, epoch, "position", state, holder, halted, partitions, marks_through
  FROM plinth.checkpoints`;

/**
 * The live checkpoint, and its places in feed mode, stay locked from before they are compared until the swap
 * is there; the swap ends feed mode. As to the kind of lock, see `projection-places.ts`.
 */
export function promoteRevision(
  pool: Pool,
  lease: Lease,
  catchUp: (to: Position) => Promise<void>,
): Promise<'promoted' | 'behind'> {
  const { projection, revision, holder } = lease;
  const mineSql = `${CHECKPOINT} WHERE projection = $1 AND revision = $2`;
  return pool.transaction(async (tx) => {
    await tx.query('SELECT FROM plinth.projections WHERE name = $1 FOR UPDATE', [projection]);
    const [live] = await tx.query<Checkpoint>(
      `${CHECKPOINT} WHERE projection = $1 AND state = 'current' FOR NO KEY UPDATE`,
      [projection],
    );
    if (live?.revision === revision) return 'promoted';
    const reached = live ? await reachedBy(tx, projection, live) : null;
    const [before] = await tx.query<Checkpoint>(mineSql, [projection, revision]);
    const behind = (mine: Checkpoint | undefined) =>
      reached !== null && mine?.epoch === reached.epoch && mine.position < reached.position;
    if (behind(before)) await catchUp(reached!.position);
    const [mine] = await tx.query<Checkpoint>(`${mineSql} FOR NO KEY UPDATE`, [projection, revision]);
    if (!mine || mine.holder !== holder || mine.state === 'old' || mine.halted !== null) {
      throw new Fenced(lease);
    }
    if (behind(mine)) return 'behind';
    if (live && live.partitions !== null) await endFeed(tx, projection, live.revision, live.partitions);
    await tx.query(
      `UPDATE plinth.checkpoints SET state = 'old', holder = NULL
       WHERE projection = $1 AND state = 'current'`,
      [projection],
    );
    await tx.query(
      `UPDATE plinth.checkpoints SET state = 'current', pruned_through = "position"
       WHERE projection = $1 AND revision = $2`,
      [projection, revision],
    );
    await tx.query('UPDATE plinth.projections SET current_revision = $2 WHERE name = $1', [
      projection,
      revision,
    ]);
    return 'promoted';
  });
}

/** The greatest position that the live rows may show anything of. */
async function reachedBy(
  tx: Session,
  projection: string,
  { revision, epoch, position, partitions, marks_through }: Checkpoint,
): Promise<{ readonly epoch: string; readonly position: Position }> {
  if (partitions === null) return { epoch, position: marks_through ?? position };
  const places = await lockPlaces(tx, projection, revision);
  const { bookmark } = leastPlace(places);
  const marks = marksOf({ generation: 0, partitions, places });
  return { epoch: bookmark.epoch, position: greatestPosition(bookmark, marks) };
}
