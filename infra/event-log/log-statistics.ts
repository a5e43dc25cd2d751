/** What is in the log: for `plinth log stats`. Reads all of it once; not for a hot path. */
import { type Epoch, type Position, START } from '../../schemas/envelope.ts';
import type { Pool } from '../postgres/pool.ts';
import { positionOf } from './recorded-row.ts';

export interface LogStatistics {
  readonly epoch: Epoch;
  readonly head: Position;
  readonly events: number;
  readonly streams: number;
  /** Of types, data and metadata. */
  readonly bytes: number;
  /** What tables and indexes take on disk. */
  readonly diskBytes: number;
  /** Most events first. */
  readonly categories: readonly {
    readonly category: string;
    readonly events: number;
    readonly streams: number;
    readonly bytes: number;
  }[];
  readonly types: readonly { readonly type: string; readonly events: number; readonly bytes: number }[];
}

/** The whole log is looked through. */
const STATISTICS_TIMEOUT_MS = 10 * 60_000;
const BYTES = 'sum(octet_length(type) + octet_length(data) + octet_length(metadata))::bigint AS bytes';

export function logStatistics(pool: Pool): Promise<LogStatistics> {
  return pool.transaction(
    async (tx) => {
      const [log] = await tx.query<{ epoch: Epoch; head: number | null; diskBytes: number }>(
        `SELECT epoch, (SELECT max(position) FROM plinth_log.events) AS head,
                pg_total_relation_size('plinth_log.events') AS "diskBytes"
           FROM plinth_log.log`,
      );
      const categories = await tx.query<LogStatistics['categories'][number]>(
        `SELECT split_part(stream, '-', 1) AS category, count(*) AS events,
                count(DISTINCT stream) AS streams, ${BYTES}
           FROM plinth_log.events GROUP BY 1 ORDER BY events DESC, category`,
      );
      const types = await tx.query<LogStatistics['types'][number]>(
        `SELECT type, count(*) AS events, ${BYTES} FROM plinth_log.events GROUP BY 1 ORDER BY events DESC, type`,
      );
      const total = (field: 'events' | 'streams' | 'bytes') =>
        categories.reduce((sum, category) => sum + category[field], 0);
      return {
        epoch: log!.epoch,
        head: log!.head === null ? START : positionOf(log!.head),
        events: total('events'),
        streams: total('streams'),
        bytes: total('bytes'),
        diskBytes: log!.diskBytes,
        categories,
        types,
      };
    },
    { isolation: 'repeatable read', readOnly: true, statementTimeoutMs: STATISTICS_TIMEOUT_MS },
  );
}
