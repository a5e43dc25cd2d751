/** Positions of `$all`: commit and prepare, each padded so that they sort as text. */
import { type Position, START } from '../../../schemas/envelope.ts';

const DIGITS = 20;

export interface AllPosition {
  readonly commit: bigint;
  readonly prepare: bigint;
}

export function positionOf(commit: bigint, prepare: bigint): Position {
  return `${padded(commit)}${padded(prepare)}` as Position;
}

function padded(part: bigint): string {
  return part.toString().padStart(DIGITS, '0');
}

/** Null: START, or a position of another engine. */
export function allPositionOf(position: Position): AllPosition | null {
  if (position === START || !/^[0-9]{40}$/.test(position)) return null;
  return { commit: BigInt(position.slice(0, DIGITS)), prepare: BigInt(position.slice(DIGITS)) };
}

/** Revisions and positions are 64 bits with a sign: nothing lies behind. */
export const LAST_PART = 9_223_372_036_854_775_807n;

/** No log comes as far, and no server is asked. */
export function isBehindAll({ commit, prepare }: AllPosition): boolean {
  return commit > LAST_PART || prepare > LAST_PART;
}
