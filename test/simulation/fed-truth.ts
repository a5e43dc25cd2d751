/**
 * What the rows of a projection may hold that Kafka feeds: at every moment exactly the events that its
 * position, its places and the marks that they left say, each once and in the order of its stream.
 */
import assert from 'node:assert/strict';
import { nameOf } from '../../projections/places.ts';
import { type Position, type Recorded, START, type StreamId } from '../../schemas/envelope.ts';
import { topicDomainOf } from '../../schemas/topics.ts';
import type { MemoryEventLog } from '../engines/memory-event-log.ts';
import type { MemoryProjectionDatabase, Seen } from '../engines/memory-projection-store.ts';
import { type Ledger, NAME } from './projection-world.ts';
import { cachedPartitionOf } from './relayed-truth.ts';

/** Of the streams that the relay carries, those of `tenants` are not the projection's. */
export const DOMAINS: readonly string[] = ['keys', 'owners'];

export function isUsed({ stream }: Pick<Recorded, 'stream'>): boolean {
  return DOMAINS.includes(topicDomainOf(stream)!);
}

/** Throws when the rows are more, less or other than what is claimed. */
export function assertApplied(seen: Seen, log: MemoryEventLog): void {
  if (isOfLostHistory(seen, log)) return;
  const { stamp, marks, data } = seen;
  const marked = new Map((marks?.at ?? []).map((mark) => [nameOf(mark), mark.bookmark.position]));
  const through = (stream: StreamId): Position => {
    const domain = topicDomainOf(stream)!;
    const mark =
      marks && marked.get(nameOf({ domain, partition: cachedPartitionOf(stream, marks.partitions) }));
    return mark && mark > stamp.position ? mark : stamp.position;
  };
  const claimed = new Map<string, number[]>();
  for (const event of log.events) {
    if (!isUsed(event) || event.position > through(event.stream)) continue;
    claimed.set(event.stream, [...(claimed.get(event.stream) ?? []), event.version]);
  }
  const rows = data.tables.get('ledgers') ?? new Map();
  const where = `at ${stamp.position}${seen.feed ? `, fed by generation ${seen.feed.generation}` : ''}`;
  for (const stream of new Set([...claimed.keys(), ...rows.keys()])) {
    const applied = (rows.get(stream) as Ledger | undefined)?.versions ?? [];
    assert.equal(applied.join(' '), claimed.get(stream)?.join(' ') ?? '', `${stream} ${where}`);
  }
}

/** Whether anything was applied that the log has lost: it must halt, and nobody reads it until then. */
export function isOfLostHistory({ stamp, marks }: Seen, log: MemoryEventLog): boolean {
  const bookmarks = [stamp, ...(marks?.at ?? []).map((mark) => mark.bookmark)];
  return bookmarks.some(
    ({ position, eventId }) => position !== START && log.events[Number(position) - 1]?.id !== eventId,
  );
}

export interface FedTruth {
  /** What was broken first, or null. */
  broken(): unknown;
  /** From now on it may halt, and begin again further back. */
  logReplaced(): void;
  isReplaced(): boolean;
  /** Tells of the ways back to the log of a revision that goes on: this caller alone. */
  onWayBack(told: () => void): void;
}

/** Looks after every commit. */
export function watchTruth(database: MemoryProjectionDatabase, log: MemoryEventLog): FedTruth {
  let broken: unknown = null;
  let replaced = false;
  let last: Seen | null = null;
  let wayBack = () => {};
  database.onCommit(() => {
    const seen = database.current(NAME);
    if (seen === null || broken !== null) return;
    const before = last;
    last = seen;
    if (before && before.data === seen.data && sameClaims(before, seen)) return;
    try {
      assert.ok(replaced || seen.halted === null, `halted: ${seen.halted}`);
      const { position } = seen.stamp;
      const goesBack = before !== null && position < before.stamp.position;
      assert.ok(
        replaced || !goesBack,
        `the position went back from ${before?.stamp.position} to ${position}`,
      );
      assertApplied(seen, log);
      const isBack = before?.feed && seen.feed === null && before.stamp.revision === seen.stamp.revision;
      if (isBack) wayBack();
    } catch (error) {
      broken = error;
    }
  });
  return {
    broken: () => broken,
    logReplaced() {
      replaced = true;
    },
    isReplaced: () => replaced,
    onWayBack(told) {
      wayBack = () => told();
    },
  };
}

function sameClaims(a: Seen, b: Seen): boolean {
  return (
    a.stamp.position === b.stamp.position &&
    a.stamp.revision === b.stamp.revision &&
    a.halted === b.halted &&
    a.feed?.generation === b.feed?.generation &&
    a.marks?.at.length === b.marks?.at.length &&
    (a.marks?.at ?? []).every(({ bookmark }, i) => bookmark.position === b.marks!.at[i]!.bookmark.position)
  );
}
