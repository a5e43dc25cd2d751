/** The last changes of one environment, and which positions they follow on without a gap. */
import type { Position } from '../../schemas/envelope.ts';
import { type Changed, together } from './environment-change.ts';

export const MAX_RECENT_CHANGES = 256;
/** Longer away than this, and a reader is told to fetch everything. */
export const MAX_RECENT_MS = 10 * 60_000;

export class ChangeRing {
  readonly #changes: { readonly change: Changed; readonly atMs: number }[] = [];
  #floor: Position | null = null;
  #last: Position | null = null;

  /** Every change after it is here; null: nothing is known yet. */
  get floor(): Position | null {
    return this.#floor;
  }

  /** Of the last change, or where it began. */
  get last(): Position | null {
    return this.#last;
  }

  get size(): number {
    return this.#changes.length;
  }

  /** The environment stands there, and what led to it is not known here. */
  begin(position: Position): void {
    this.#floor = position;
    this.#last = position;
  }

  add(change: Changed, atMs: number): void {
    this.#floor ??= change.position;
    this.#last = change.position;
    this.#changes.push({ change, atMs });
    if (this.#changes.length > MAX_RECENT_CHANGES) this.#forget();
  }

  trim(nowMs: number): void {
    while (this.#changes[0] && this.#changes[0].atMs <= nowMs - MAX_RECENT_MS) this.#forget();
  }

  /** What came after a position that the ring can place, as one; null: nothing. */
  after(position: Position): Changed | null {
    return this.#merged(({ change }) => change.position > position);
  }

  since(timeMs: number): Changed | null {
    return this.#merged(({ atMs }) => atMs >= timeMs);
  }

  #merged(counts: (entry: { readonly change: Changed; readonly atMs: number }) => boolean): Changed | null {
    const changes = this.#changes.filter(counts).map(({ change }) => change);
    return changes.length === 0 ? null : changes.reduce(together);
  }

  #forget(): void {
    this.#floor = this.#changes.shift()!.change.position;
  }
}
