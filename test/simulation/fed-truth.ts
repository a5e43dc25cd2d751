/**
 * What the rows of a projection may hold that Kafka feeds: at every moment exactly the events that its
 * position, its places and the marks that they left say, each once and in the order of its stream.
 */
import assert from 'node:assert/strict';
import { greatestPosition, nameOf } from '../../projections/places.ts';
import { type Position, type Recorded, START, type StreamId } from '../../schemas/envelope.ts';
import { topicDomainOf } from '../../schemas/topics.ts';
import type { MemoryEventLog } from '../engines/memory-event-log.ts';
import type { Seen } from '../engines/memory-revisions.ts';
import type { FedWorld } from './fed-world.ts';
import { type Ledger, NAME, type Poison } from './projection-world.ts';
import { cachedPartitionOf } from './relayed-truth.ts';
import { fateOf } from './stream-fate.ts';

/** Of the streams that the relay carries, those of `tenants` are not the projection's. */
export const DOMAINS: readonly string[] = ['keys', 'owners'];

export function isUsed({ stream }: Pick<Recorded, 'stream'>): boolean {
  return DOMAINS.includes(topicDomainOf(stream)!);
}

/** Throws when the rows are more, less or other than what is claimed. */
export function assertApplied(seen: Seen, { log, code: { mended } }: FedWorld): void {
  if (isOfLostHistory(seen, log)) return;
  const { stamp, marks, data } = seen;
  const marked = new Map((marks?.at ?? []).map((mark) => [nameOf(mark), mark.bookmark.position]));
  const through = (stream: StreamId): Position => {
    const domain = topicDomainOf(stream)!;
    const mark =
      marks && marked.get(nameOf({ domain, partition: cachedPartitionOf(stream, marks.partitions) }));
    return mark && mark > stamp.position ? mark : stamp.position;
  };
  const claimed = Map.groupBy(
    log.events.filter((event) => isUsed(event) && event.position <= through(event.stream)),
    ({ stream }) => stream,
  );
  const rows = data.tables.get('ledgers') ?? new Map();
  const where = `at ${stamp.position}${seen.feed ? `, fed by generation ${seen.feed.generation}` : ''}`;
  for (const stream of new Set<StreamId>([...claimed.keys(), ...rows.keys(), ...data.parked.keys()])) {
    const row = rows.get(stream) as Ledger | undefined;
    const parked = data.parked.get(stream);
    // Who has parked on a bug waits for a replay once it is mended; nobody else parks on it any more.
    const fails = (version: number, poison: Poison) =>
      poison === 'broken' || (poison === 'bug' && (!mended || version === parked?.firstVersion));
    const { applied, waiting } = fateOf(claimed.get(stream) ?? [], fails);
    assert.equal(row?.versions.join(' ') ?? '', applied.join(' '), `${stream} ${where}`);
    const waits = parked ? [parked.firstVersion, parked.lastVersion, parked.events] : [];
    const should = waiting.length > 0 ? [waiting[0], waiting.at(-1), waiting.length] : [];
    assert.equal(waits.join(' '), should.join(' '), `what waits in ${stream} ${where}`);
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
export function watchTruth(world: FedWorld): FedTruth {
  const { database } = world;
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
      const isSwap = before !== null && before.stamp.revision !== seen.stamp.revision;
      const shown = before && greatestPosition(before.stamp, before.marks);
      assert.ok(replaced || !isSwap || position >= shown!, `a swap went back from ${shown} to ${position}`);
      assertApplied(seen, world);
      const isBack = before?.feed && seen.feed === null && !isSwap;
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
