/** `changes`: what a projection changed, in log order, so that caches elsewhere can see it. */
import type { Position, StreamId } from '../schemas/envelope.ts';
import type { Stamp } from './projection.ts';

export interface Change {
  readonly position: Position;
  readonly stream: StreamId;
}

/** All read in one snapshot on the primary. */
export interface ChangesPoll {
  readonly stamp: Stamp;
  /** Changes with position > the cursor, in order, at most `limit`; more remain when `complete` is false. */
  readonly changes: readonly Change[];
  readonly complete: boolean;
  /** Changes up to here may be gone: a cursor below it has missed some. */
  readonly prunedThrough: Position;
  /** Why the projection halted (the log was replaced under it), or null. */
  readonly halted: string | null;
}

export interface ChangesSource {
  poll(after: Position): Promise<ChangesPoll>;
  /** Calls `hint` when there may be something new. Only hurries the poll; may be lost. */
  listen(hint: () => void, signal: AbortSignal): Promise<void>;
}
