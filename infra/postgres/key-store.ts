/** The key store in Postgres, in a schema of its own; on a server of its own where the settings say so. */
import type { ErasureBatch } from '../../commands/data-keys.ts';
import type { Bookmark, Epoch, EventId, Position } from '../../schemas/envelope.ts';
import type { KeyRecord, KeySnapshot, KeyStore, WrappedKey } from '../secrets/key-store.ts';
import type { Pool, Prepared, Session } from './pool.ts';

interface FollowerRow {
  readonly epoch: string | null;
  readonly position: string | null;
  readonly event_id: string | null;
}
interface KeyRow {
  readonly key_id: string | null;
  readonly tenant: string | null;
  readonly subject: string | null;
  readonly wrapped: Buffer | null;
}

// One statement, one snapshot, one round trip, and no transaction id where there is nothing to make.
// Ordered, so that two of these that make the same keys wait for each other in one direction only.
const activateKeys: Prepared = {
  name: 'data-keys-activate',
  text: `
    WITH wanted AS (
      SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) AS w (key_id, tenant, subject, wrapped)
    ), found AS (
      SELECT d.key_id, d.tenant, d.subject, d.wrapped
      FROM wanted w
      JOIN plinth_keys.data_keys d
        ON d.tenant = w.tenant AND coalesce(d.subject, '') = coalesce(w.subject, '') AND NOT d.closed
    ), made AS (
      INSERT INTO plinth_keys.data_keys (key_id, tenant, subject, wrapped)
      SELECT w.key_id, w.tenant, w.subject, w.wrapped
      FROM wanted w
      WHERE NOT EXISTS (
        SELECT FROM found f WHERE f.tenant = w.tenant AND f.subject IS NOT DISTINCT FROM w.subject)
      ORDER BY w.tenant, w.subject
      ON CONFLICT DO NOTHING
      RETURNING key_id, tenant, subject, wrapped
    ), keys AS (
      SELECT * FROM found UNION ALL SELECT * FROM made
    )
    SELECT f.epoch, f.position, f.event_id, k.*
    FROM (SELECT) AS one
    LEFT JOIN plinth_keys.follower f ON true
    LEFT JOIN keys k ON true`,
};

const lookupKeys: Prepared = {
  name: 'data-keys-lookup',
  text: `
    SELECT f.epoch, f.position, f.event_id,
           w.key_id, d.tenant, d.subject, d.wrapped, e.position AS erased_at
    FROM unnest($1::text[]) AS w (key_id)
    LEFT JOIN plinth_keys.follower f ON true
    LEFT JOIN plinth_keys.data_keys d ON d.key_id = w.key_id AND d.wrapped IS NOT NULL
    LEFT JOIN plinth_keys.erasures e ON e.key_id = w.key_id AND e.epoch = f.epoch`,
};

export function postgresKeyStore(pool: Pool): KeyStore {
  return {
    async activate(candidates): Promise<KeySnapshot<WrappedKey>> {
      const rows = await pool.query<FollowerRow & KeyRow>(activateKeys, [
        candidates.map((one) => one.keyId),
        candidates.map((one) => one.tenant),
        candidates.map((one) => one.subject),
        candidates.map((one) => one.wrapped),
      ]);
      return { rows: rows.flatMap((row) => wrappedKeyOf(row) ?? []), bookmark: bookmarkOf(rows[0]) };
    },

    async lookup(keyIds): Promise<KeySnapshot<KeyRecord>> {
      const rows = await pool.query<FollowerRow & KeyRow & { erased_at: string | null }>(lookupKeys, [
        keyIds,
      ]);
      return {
        rows: rows.map((row) => ({
          keyId: row.key_id!,
          key: wrappedKeyOf(row),
          erasedAt: row.erased_at as Position | null,
        })),
        bookmark: bookmarkOf(rows[0]),
      };
    },

    async close(tenant, subject) {
      const rows = await pool.query<{ key_id: string }>(
        `UPDATE plinth_keys.data_keys SET closed = true WHERE tenant = $1 AND subject = $2 RETURNING key_id`,
        [tenant, subject],
      );
      return rows.map((row) => row.key_id).sort();
    },

    async retire(keyIds) {
      await pool.query('UPDATE plinth_keys.data_keys SET closed = true WHERE key_id = ANY ($1::text[])', [
        keyIds,
      ]);
    },

    async erase(batch) {
      // Every process looks in every second: where nothing is to be written, nothing is locked either.
      if (batch.erasures.length === 0) {
        const stands = await readBookmark(pool);
        const { epoch, position } = batch.bookmark;
        if (stands?.epoch === epoch && stands.position >= position) return 'done';
      }
      return pool.transaction((tx) => erase(tx, batch));
    },

    bookmark: () => readBookmark(pool),

    async restart(epoch: Epoch) {
      await pool.query(
        `INSERT INTO plinth_keys.follower (epoch, position, event_id) VALUES ($1, '', NULL)
         ON CONFLICT (one_row) DO UPDATE SET epoch = $1, position = '', event_id = NULL`,
        [epoch],
      );
    },
  };
}

async function readBookmark(session: Session): Promise<Bookmark | null> {
  const rows = await session.query<FollowerRow>('SELECT epoch, position, event_id FROM plinth_keys.follower');
  return bookmarkOf(rows[0]);
}

async function erase(tx: Session, { after, erasures, bookmark }: ErasureBatch): Promise<'done' | 'behind'> {
  await tx.query(
    `INSERT INTO plinth_keys.follower (epoch, position) VALUES ($1, '') ON CONFLICT (one_row) DO NOTHING`,
    [bookmark.epoch],
  );
  // Held to the commit: followers of several processes take turns.
  const [stands] = await tx.query<{ epoch: string; position: string }>(
    'SELECT epoch, position FROM plinth_keys.follower FOR UPDATE',
  );
  if (!stands || stands.epoch !== bookmark.epoch || stands.position < after) return 'behind';

  const latest = new Map<string, Position>();
  for (const { keyIds, position } of erasures) {
    for (const keyId of keyIds) {
      const known = latest.get(keyId);
      if (known === undefined || known < position) latest.set(keyId, position);
    }
  }
  const keyIds = [...latest.keys()].sort();
  if (keyIds.length > 0) {
    await tx.query(
      `INSERT INTO plinth_keys.erasures AS e (key_id, epoch, position)
       SELECT key_id, $2, position FROM unnest($1::text[], $3::text[]) AS w (key_id, position)
       ON CONFLICT (key_id) DO UPDATE
       SET epoch = excluded.epoch,
           position = CASE WHEN e.epoch = excluded.epoch
                           THEN greatest(e.position, excluded.position) ELSE excluded.position END`,
      [keyIds, bookmark.epoch, keyIds.map((keyId) => latest.get(keyId))],
    );
    await tx.query(
      `UPDATE plinth_keys.data_keys SET wrapped = NULL, closed = true
       WHERE key_id = ANY ($1::text[]) AND wrapped IS NOT NULL`,
      [keyIds],
    );
  }
  await tx.query('UPDATE plinth_keys.follower SET position = $1, event_id = $2 WHERE position < $1', [
    bookmark.position,
    bookmark.eventId,
  ]);
  return 'done';
}

function bookmarkOf(row: FollowerRow | undefined): Bookmark | null {
  if (!row || row.epoch === null) return null;
  return {
    epoch: row.epoch as Epoch,
    position: row.position as Position,
    eventId: row.event_id as EventId | null,
  };
}

function wrappedKeyOf(row: KeyRow): WrappedKey | null {
  if (row.key_id === null || row.tenant === null || row.wrapped === null) return null;
  return { keyId: row.key_id, tenant: row.tenant, subject: row.subject, wrapped: row.wrapped };
}
