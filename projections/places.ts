/**
 * How far a projection is that is fed by Kafka: a place a partition; and, once it has gone back to the log,
 * the marks that it left, so that nothing is applied twice.
 */
import type { Bookmark, Position, StreamId } from '../schemas/envelope.ts';
import { type Generation, type Partition, partitionOf, topicDomainOf } from '../schemas/topics.ts';

/** Everything of the partition through `bookmark` is applied; the record at `offset` is the next to read. */
export interface Place extends Partition {
  readonly bookmark: Bookmark;
  /** A string, for it may pass 2^53. */
  readonly offset: string;
}

/** Of one partition: two places of the same. */
export interface Move {
  readonly from: Place;
  readonly to: Place;
}

/** Where a revision in feed mode is. */
export interface Places extends Generation {
  /** Of every partition of the projection's domains, by domain and partition. */
  readonly places: readonly Place[];
}

/** Everything of the partition through `bookmark` is applied, though the checkpoint is not that far. */
export interface Mark extends Partition {
  /** Whole, not the position alone: what it covers is skipped only while the log still holds its event. */
  readonly bookmark: Bookmark;
}

export interface Marks {
  /** Of each domain, in the generation that they are from. */
  readonly partitions: number;
  readonly at: readonly Mark[];
}

/** The place that stands for all: everything through there is applied, whatever its partition. */
export function leastPlace(places: readonly Place[]): Place {
  return places.reduce((least, place) => (place.bookmark.position < least.bookmark.position ? place : least));
}

/** What the places cover beyond the least of them; null: nothing. */
export function marksOf({ partitions, places }: Places): Marks | null {
  const { position } = leastPlace(places).bookmark;
  const at = places
    .filter(({ bookmark }) => bookmark.position > position)
    .map(({ domain, partition, bookmark }): Mark => ({ domain, partition, bookmark }));
  return at.length === 0 ? null : { partitions, at };
}

/** The greatest position that the rows may show anything of. */
export function greatestPosition(bookmark: Bookmark, marks: Marks | null): Position {
  const positions = (marks?.at ?? []).map((mark) => mark.bookmark.position);
  return [bookmark.position, ...positions].sort().at(-1)!;
}

/** Tells of an event behind the bookmark whether a mark covers it: it is applied already. */
export function covered(marks: Marks | null): (event: { stream: StreamId; position: Position }) => boolean {
  if (marks === null) return () => false;
  const byPlace = new Map(marks.at.map((mark) => [nameOf(mark), mark.bookmark.position]));
  return ({ stream, position }) => {
    const domain = topicDomainOf(stream);
    if (domain === null) return false;
    const mark = byPlace.get(nameOf({ domain, partition: partitionOf(stream, marks.partitions) }));
    return mark !== undefined && position <= mark;
  };
}

/** One for each bookmark: watermarks bring most partitions to one and the same. */
export function distinct<P extends { readonly bookmark: Bookmark }>(places: readonly P[]): readonly P[] {
  return [
    ...new Map(places.map((one) => [`${one.bookmark.position} ${one.bookmark.eventId}`, one])).values(),
  ];
}

export function nameOf({ domain, partition }: Partition): string {
  return `${domain}/${partition}`;
}

export function sameBookmark(a: Bookmark, b: Bookmark): boolean {
  return a.epoch === b.epoch && a.position === b.position && a.eventId === b.eventId;
}

export function samePlace(a: Place, b: Place): boolean {
  return a.offset === b.offset && sameBookmark(a.bookmark, b.bookmark);
}
