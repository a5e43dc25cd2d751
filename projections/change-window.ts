/**
 * The changes that a process knows of: of each stream the last one, in a run of the log without gaps.
 * Below its floor it knows nothing, so nothing stamped there can be trusted.
 */
import { type Position, START, type StreamId } from '../schemas/envelope.ts';
import type { Change, ChangesPoll } from './changes.ts';
import type { Stamp } from './projection.ts';

export const MAX_WINDOW_STREAMS = 50_000;

export class ChangeWindow {
  /** Last change of each stream in (floor, cursor], in the order of those changes. */
  readonly #last = new Map<StreamId, Position>();
  readonly #maxStreams: number;
  readonly #emptied: (why: string) => void;
  #floor: Position = START;
  #cursor: Position = START;
  /** The snapshot of the latest poll; null: it holds nothing, and covers nothing. */
  #stamp: Stamp | null = null;

  constructor(emptied: (why: string) => void = () => {}, maxStreams = MAX_WINDOW_STREAMS) {
    this.#emptied = emptied;
    this.#maxStreams = maxStreams;
  }

  /** Through where the changes are known: poll after this. */
  get cursor(): Position {
    return this.#cursor;
  }

  get streams(): number {
    return this.#last.size;
  }

  /**
   * Moves on by a poll after `cursor`. False: more is to come before the window reaches the poll's
   * position. A cursor below pruned-through, another revision or another epoch empties it.
   */
  take(poll: ChangesPoll): boolean {
    const why = this.#breach(poll);
    if (why !== null) return this.#restartAt(poll.stamp, why);
    if (!poll.complete) {
      const through = lastWhole(poll.changes);
      if (through === null) return this.#restartAt(poll.stamp, 'too many changes at one position');
      for (const change of poll.changes) this.#note(change);
      this.#cursor = through;
      return false;
    }
    for (const change of poll.changes) this.#note(change);
    this.#cursor = poll.stamp.position;
    this.#stamp = poll.stamp;
    return true;
  }

  /** Forgets all; the next poll starts it anew. Until then it must not be asked. */
  restart(why: string): void {
    this.#clear(START, null);
    this.#emptied(why);
  }

  /** Whether a stamp lies where the window knows all that came after, and none of it touches the streams. */
  clear(position: Position, streams: readonly StreamId[]): boolean {
    if (position < this.#floor) return false;
    for (let i = 0; i < streams.length; i++) {
      const changed = this.#last.get(streams[i]!);
      if (changed !== undefined && changed > position) return false;
    }
    return true;
  }

  /** Of a stream, the last change that is known; undefined: none is. */
  last(stream: StreamId): Position | undefined {
    return this.#last.get(stream);
  }

  #breach({ stamp, prunedThrough }: ChangesPoll): string | null {
    if (this.#stamp === null || this.#cursor === START) return 'first poll';
    if (stamp.epoch !== this.#stamp.epoch) return 'another epoch';
    if (stamp.revision !== this.#stamp.revision) return 'another revision';
    if (this.#cursor < prunedThrough) return 'pruned past the cursor';
    if (stamp.position < this.#cursor) return 'the projection went back';
    return null;
  }

  #restartAt(stamp: Stamp, why: string): true {
    this.#clear(stamp.position, stamp);
    this.#emptied(why);
    return true;
  }

  #clear(at: Position, stamp: Stamp | null): void {
    this.#last.clear();
    this.#floor = at;
    this.#cursor = at;
    this.#stamp = stamp;
  }

  #note(change: Change): void {
    this.#last.delete(change.stream);
    this.#last.set(change.stream, change.position);
    if (this.#last.size <= this.#maxStreams) return;
    const [stream, position] = this.#last.entries().next().value!;
    this.#last.delete(stream);
    this.#floor = position;
  }
}

/** The last position that is whole in a page that may end in the midst of one; null: none is. */
function lastWhole(changes: readonly Change[]): Position | null {
  const last = changes.at(-1)?.position;
  for (let i = changes.length - 1; i >= 0; i--)
    if (changes[i]!.position !== last) return changes[i]!.position;
  return null;
}
