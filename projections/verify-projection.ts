/** Proves that a read model is what the log says: rebuilds it beside and compares every column. */
import type { Position, Recorded } from '../schemas/envelope.ts';
import { haltReason, historyMismatch, marksMismatch } from './history-check.ts';
import { covered, greatestPosition } from './places.ts';
import type { TableSpec } from './projection.ts';
import { fill, type RebuildOptions } from './rebuild.ts';
import type { ProjectionDeps } from './session.ts';
import type { RevisionSnapshot } from './store.ts';

/** Differences named; more are counted only. */
export const MAX_DIFFERENCES = 20;

export interface Difference {
  readonly table: string;
  /** The row's key columns as JSON. */
  readonly key: string;
  /** `missing`: the log says it should be there. `extra`: the log knows nothing of it. */
  readonly kind: 'missing' | 'extra' | 'columns' | 'parked';
  /** Names of the columns that differ; their values may be personal. */
  readonly columns: readonly string[];
}

export interface Verification {
  readonly revision: number;
  /** Both were compared as they were at this position, or, fed by Kafka, at least there. */
  readonly position: Position;
  readonly rows: number;
  readonly differences: number;
  readonly first: readonly Difference[];
}

/** Answers null when the signal aborted or the projection has no tables yet. Leaves nothing behind. */
export async function verifyProjection<T>(
  deps: ProjectionDeps<T>,
  options: RebuildOptions,
): Promise<Verification | null> {
  const { projection, store } = deps;
  const current = (await store.revisions(projection.name)).find((r) => r.state === 'current');
  if (!current) return null;
  const { bookmark, marks } = current;
  const mismatch =
    (await historyMismatch(deps.log, bookmark)) ?? (await marksMismatch(deps.log, marks, bookmark.position));
  if (mismatch !== null) throw new Error(haltReason(projection.name, mismatch));
  let live: RevisionSnapshot | undefined;
  let shadow: RevisionSnapshot | undefined;
  let revision: number | undefined;
  try {
    // The live rows are held as they are now; the shadow is filled through exactly that position, or, where
    // Kafka feeds them, with exactly what each partition's place covers.
    const filled = await fill(
      deps,
      options,
      'verify',
      () => false,
      async (opened) => {
        revision = opened;
        live = await store.snapshot(projection.name, current.revision);
        const { bookmark, marks } = live;
        const isCovered = covered(marks);
        return {
          position: greatestPosition(bookmark, marks),
          only: (event: Recorded) => event.position <= bookmark.position || isCovered(event),
        };
      },
    );
    if (!filled.done || !live) return null;
    shadow = await store.snapshot(projection.name, filled.revision);
    const found = await compareAll(projection.tables, live, shadow);
    return { revision: current.revision, position: live.bookmark.position, ...found };
  } finally {
    await live?.close();
    await shadow?.close();
    if (revision !== undefined) await store.drop(projection.name, revision);
  }
}

async function compareAll(
  tables: readonly TableSpec[],
  live: RevisionSnapshot,
  shadow: RevisionSnapshot,
): Promise<Pick<Verification, 'rows' | 'differences' | 'first'>> {
  const first: Difference[] = [];
  let differences = 0;
  let rows = 0;
  const differs = (difference: Difference) => {
    differences++;
    if (first.length < MAX_DIFFERENCES) first.push(difference);
  };
  const parkedIn = (snapshot: RevisionSnapshot) =>
    new Map(snapshot.parked.map((p) => [p.stream as string, `${p.firstVersion} ${p.events}`]));
  const parkedLive = parkedIn(live);
  const parkedShadow = parkedIn(shadow);
  for (const stream of new Set([...parkedLive.keys(), ...parkedShadow.keys()])) {
    if (parkedLive.get(stream) === parkedShadow.get(stream)) continue;
    differs({ table: 'parked_streams', key: JSON.stringify([stream]), kind: 'parked', columns: [] });
  }
  for (const table of tables) {
    for await (const [a, b] of merge(live.rows(table), shadow.rows(table))) {
      rows++;
      const key = (a ?? b)!.key;
      if (!a || !b) differs({ table: table.name, key, kind: a ? 'extra' : 'missing', columns: [] });
      else {
        const columns = differingColumns(a.columns, b.columns);
        if (columns.length > 0) differs({ table: table.name, key, kind: 'columns', columns });
      }
    }
  }
  return { rows, differences, first };
}

function differingColumns(a: Record<string, unknown>, b: Record<string, unknown>): string[] {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].filter((name) => JSON.stringify(a[name]) !== JSON.stringify(b[name]));
}

type Row = { readonly key: string; readonly columns: Record<string, unknown> };

/** Both in the order of their keys as bytes; a pair where the keys meet. */
async function* merge(
  left: AsyncIterable<Row>,
  right: AsyncIterable<Row>,
): AsyncGenerator<readonly [Row | null, Row | null]> {
  const a = left[Symbol.asyncIterator]();
  const b = right[Symbol.asyncIterator]();
  let [x, y] = [await a.next(), await b.next()];
  while (!x.done || !y.done) {
    const order = x.done
      ? 1
      : y.done
        ? -1
        : Buffer.compare(Buffer.from(x.value.key), Buffer.from(y.value.key));
    yield [order <= 0 ? x.value : null, order >= 0 ? y.value : null];
    if (order <= 0) x = await a.next();
    if (order >= 0) y = await b.next();
  }
}
