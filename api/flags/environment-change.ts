import type { Position, StreamId } from '../../schemas/envelope.ts';

/** What changed of a served environment, for whoever watches it. */
export interface EnvironmentChange {
  readonly stream: StreamId;
  readonly position: Position;
  /** Keys of the flags whose answers may differ; null: not known, all. */
  readonly flags: readonly string[] | null;
  /** A kill: it is told at once. */
  readonly urgent: boolean;
}

export type Changed = Omit<EnvironmentChange, 'stream'>;

/** Naming more flags than this says no more than "all". */
export const MAX_FLAGS_NAMED = 200;

/** Both as one, at the later position. */
export function together(a: Changed, b: Changed): Changed {
  const flags = a.flags === null || b.flags === null ? null : [...new Set([...a.flags, ...b.flags])];
  // Positions sort by plain comparison.
  const [, position] = [a.position, b.position].sort() as [Position, Position];
  return {
    position,
    flags: flags === null || flags.length > MAX_FLAGS_NAMED ? null : flags,
    urgent: a.urgent || b.urgent,
  };
}
