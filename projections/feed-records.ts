/** Which records of a partition follow on a place, by the rule of predecessors. */
import type { Epoch } from '../schemas/envelope.ts';
import type { Relayed } from '../schemas/topics.ts';
import type { Place } from './places.ts';

export interface Followed {
  /** What the place does not cover, in order; each has its predecessor in what is covered before it. */
  readonly taken: readonly Relayed[];
  /** Where the partition is behind them. */
  readonly to: Place;
  /** Something is missing before the record behind them: nothing from there on may be applied. */
  readonly gap: boolean;
  /** The record behind them is of another history of the log. */
  readonly otherEpoch: Epoch | null;
}

export function follow(place: Place, records: readonly Relayed[]): Followed {
  const taken: Relayed[] = [];
  let to = place;
  for (const record of records) {
    if (record.bookmark.epoch !== place.bookmark.epoch) {
      return { taken, to, gap: false, otherEpoch: record.bookmark.epoch };
    }
    if (record.bookmark.position <= to.bookmark.position) continue;
    if (record.predecessor > to.bookmark.position) return { taken, to, gap: true, otherEpoch: null };
    taken.push(record);
    to = behind(place, record);
  }
  return { taken, to, gap: false, otherEpoch: null };
}

/** The place once the record is applied. */
export function behind(place: Place, { bookmark, offset }: Relayed): Place {
  return { ...place, bookmark, offset: String(BigInt(offset) + 1n) };
}
