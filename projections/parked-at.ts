import type { StreamId } from '../schemas/envelope.ts';
import type { Tx } from './projection.ts';

/** Version that a stream of a projection is parked at; null: it is not. In the snapshot of its rows. */
export async function parkedAt(
  tx: Tx,
  projection: string,
  revision: number,
  stream: StreamId,
): Promise<number | null> {
  const [row] = await tx.query<{ first_version: number }>(
    'SELECT first_version FROM plinth.parked_streams WHERE projection = $1 AND revision = $2 AND stream = $3',
    [projection, revision, stream],
  );
  return row ? Number(row.first_version) : null;
}
