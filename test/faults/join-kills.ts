/** Kills of projectors while a projection goes from the log to Kafka. */
import { joiningPoints } from './kill-points.ts';
import { count, type Points } from './kills.ts';
import type { Slot } from './slot.ts';

/** The first relay starts meanwhile. */
const JOINS_WITHIN_MS = 60_000;

/**
 * Nothing has joined yet, and `begin` brings what the projectors wait for. One dies while it joins; the other
 * goes on in its place, and dies when it has joined. Answers how many died.
 */
export async function killJoining(
  projectors: readonly Slot[],
  points: Points,
  begin: () => Promise<unknown>,
): Promise<number> {
  let died = 0;
  for (const [index, point] of joiningPoints.entries()) {
    // Also the one that died and starts anew: whoever of them joins.
    const dying = projectors.map((slot) => slot.dieAt(point, { withinMs: JOINS_WITHIN_MS }));
    if (index === 0) await begin();
    await Promise.race(dying);
    for (const slot of projectors) slot.spare();
    for (const death of await Promise.all(dying)) {
      if (death === 'there') count(points, point);
      if (death !== 'spared') died += 1;
    }
  }
  return died;
}
