/** Where reactors stand, in Postgres: one row each, moved by compare-and-set. */
import type { ReactorCheckpoints } from '../../commands/reactor.ts';
import type { Bookmark, Epoch, EventId, Position } from '../../schemas/envelope.ts';
import { migrate } from './migrations.ts';
import type { Pool } from './pool.ts';

export async function postgresReactorCheckpoints(pool: Pool): Promise<ReactorCheckpoints> {
  await migrate(pool, 'plinth_reactors', [
    {
      name: '001-checkpoints',
      sql: `CREATE TABLE plinth_reactors.checkpoints (
        reactor text PRIMARY KEY, epoch uuid NOT NULL, position text COLLATE "C" NOT NULL, event_id uuid)`,
    },
  ]);
  return {
    async load(reactor) {
      const [row] = await pool.query<{ epoch: Epoch; position: Position; event_id: EventId | null }>(
        'SELECT epoch, position, event_id FROM plinth_reactors.checkpoints WHERE reactor = $1',
        [reactor],
      );
      return row ? { epoch: row.epoch, position: row.position, eventId: row.event_id } : null;
    },
    async save(reactor: string, from: Bookmark | null, to: Bookmark) {
      const saved = await pool.query(
        from === null
          ? `INSERT INTO plinth_reactors.checkpoints (reactor, epoch, position, event_id) VALUES ($1, $2, $3, $4)
             ON CONFLICT (reactor) DO NOTHING RETURNING reactor`
          : `UPDATE plinth_reactors.checkpoints SET epoch = $2, position = $3, event_id = $4
             WHERE reactor = $1 AND epoch = $5 AND position = $6 AND event_id IS NOT DISTINCT FROM $7::uuid
             RETURNING reactor`,
        [
          reactor,
          to.epoch,
          to.position,
          to.eventId,
          ...(from === null ? [] : [from.epoch, from.position, from.eventId]),
        ],
      );
      return saved.length > 0;
    },
  };
}
