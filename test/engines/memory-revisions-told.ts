/** What the projection store in memory tells of its revisions, each answer as of one moment. */
import type { ProjectionStore, Revision } from '../../projections/store.ts';
import type { MemoryConnection } from './memory-connection.ts';
import { bookmarkOf, generationOf, type MemoryRevisions, shownBeyond } from './memory-revisions.ts';
import { type MemoryTx, sortedRows } from './memory-transaction.ts';

type Told = Pick<ProjectionStore<MemoryTx>, 'revisions' | 'parked' | 'isParked' | 'snapshot'>;

export function memoryRevisionsTold(revisions: MemoryRevisions, on: MemoryConnection): Told {
  return {
    async revisions(projection) {
      return on.statement('revisions', [], () =>
        revisions
          .all()
          .filter((r) => projection === undefined || r.projection === projection)
          .sort((a, b) =>
            a.projection === b.projection ? a.revision - b.revision : a.projection < b.projection ? -1 : 1,
          )
          .map(
            (r): Revision => ({
              projection: r.projection,
              revision: r.revision,
              codeRevision: r.codeRevision,
              state: r.state,
              bookmark: bookmarkOf(r),
              feed: generationOf(r),
              marks: shownBeyond(r),
              holder: revisions.leased(r) ? r.holder : null,
              halted: r.halted,
              prunedThrough: r.data.prunedThrough,
              parkedStreams: r.data.parked.size,
            }),
          ),
      );
    },

    async parked(projection, { after = '', limit }) {
      return on.statement('parked', [], () =>
        [...(revisions.current(projection)?.data.parked.values() ?? [])]
          .filter((p) => p.stream > after)
          .sort((a, b) => (a.stream < b.stream ? -1 : 1))
          .slice(0, limit),
      );
    },

    async isParked(projection, streams) {
      return on.statement('isParked', [], () => {
        const parked = revisions.current(projection)?.data.parked;
        return streams.some((stream) => parked?.has(stream));
      });
    },

    async snapshot(projection, revision) {
      return on.statement('snapshot', [], () => {
        const r = revisions.get(projection, revision);
        if (!r) throw new Error(`${projection} has no revision ${revision}`);
        const { data } = r;
        return {
          bookmark: bookmarkOf(r),
          marks: shownBeyond(r),
          parked: [...data.parked.values()],
          async *rows(table) {
            for (const { key, row } of sortedRows(data, table.name)) yield { key, columns: row };
          },
          close: () => Promise.resolve(),
        };
      });
    },
  };
}
