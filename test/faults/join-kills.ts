/** Kills of projectors while a projection goes from the log to Kafka. */
import { joiningPoints } from './kill-points.ts';
import { count, type Points } from './kills.ts';
import type { Slot } from './slot.ts';

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
  let left = projectors;
  for (const [index, point] of joiningPoints.entries()) {
    const dying = left.map((slot) => slot.dieAt(point, 1));
    if (index === 0) await begin();
    await Promise.race(dying);
    for (const slot of left) slot.spare();
    const deaths = await Promise.all(dying);
    for (const death of deaths) {
      if (death === 'there') count(points, point);
      if (death !== 'spared') died += 1;
    }
    left = left.filter((_, at) => deaths[at] === 'spared');
  }
  return died;
}
