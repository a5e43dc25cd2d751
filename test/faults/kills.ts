/** Kills of the relay that works and of the projector that is active: at named points, and at any moment. */
import { pause } from '../crash/within.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import type { Cluster } from './cluster.ts';
import { type KillPoint, projectorPoints, relayPoints, type Way } from './kill-points.ts';
import type { Death, Slot } from './slot.ts';

/** A loaded machine takes long to start a process. */
const WORKS_WITHIN_MS = 90_000;
const POLL_MS = 20;
/** A point that is passed many times a second is passed up to so often before. */
const MAX_PASSES = 3;

/** How often something died at each named point. */
export type Points = Map<KillPoint, number>;

/** Kills one, or one and the one that follows it. Answers how many died. */
export type Killer = () => Promise<number>;

export interface KillerOptions {
  readonly random: SeededRandom;
  /** Counts are added to it. */
  readonly points: Points;
  readonly progress?: ((line: string) => void) | undefined;
}

export function relayKiller({ relays, workingRelay }: Cluster, options: KillerOptions): Killer {
  return killer(relayPoints, options, async () => {
    const working = await found(workingRelay, 'relay');
    return { working, other: relays.find((each) => each !== working)! };
  });
}

export function projectorKiller({ projectors, activeProjector }: Cluster, options: KillerOptions): Killer {
  return killer(projectorPoints, options, async () => {
    const working = await found(activeProjector, 'projector');
    return { working, other: projectors.find((each) => each !== working)! };
  });
}

/** Every second at a point, each point in its turn and then again; the others wherever they are. */
function killer(
  ways: Readonly<Record<string, Way>>,
  { random, points, progress }: KillerOptions,
  find: () => Promise<{ readonly working: Slot; readonly other: Slot }>,
): Killer {
  let left: KillPoint[] = [];
  let turn = 0;
  const at = async (point: KillPoint): Promise<number> => {
    const { working, other } = await find();
    const nth = 1 + random.below(MAX_PASSES);
    const kill: Readonly<Record<Way, () => Promise<{ readonly death: Death; readonly before: number }>>> = {
      works: async () => ({ death: await working.dieAt(point, { nth }), before: 0 }),
      stops: async () => ({ death: await working.dieAt(point, { stops: true }), before: 0 }),
      starts: async () => ({ death: await working.dieAnewAt(point), before: 1 }),
      async 'takes over'() {
        const dying = other.dieAt(point);
        // Its successor would be in its place before the other is.
        await working.killAnew(() => dying);
        return { death: await dying, before: 1 };
      },
    };
    const startedMs = performance.now();
    const { death, before } = await kill[ways[point]!]();
    progress?.(`${point}: ${death} after ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
    if (death === 'there') count(points, point);
    else left.push(point);
    return before + (death === 'stopped' ? 0 : 1);
  };
  return async () => {
    turn += 1;
    if (turn % 2 === 0) {
      await (await find()).working.killAnew();
      return 1;
    }
    if (left.length === 0) left = shuffled(Object.keys(ways) as KillPoint[], random);
    return at(left.shift()!);
  };
}

export function shuffled<T>(all: readonly T[], random: SeededRandom): T[] {
  const left = [...all];
  const order: T[] = [];
  while (left.length > 0) order.push(...left.splice(random.below(left.length), 1));
  return order;
}

export function count(points: Points, point: KillPoint): void {
  points.set(point, (points.get(point) ?? 0) + 1);
}

async function found(find: () => Slot | undefined, what: string): Promise<Slot> {
  const endMs = performance.now() + WORKS_WITHIN_MS;
  for (;;) {
    const slot = find();
    if (slot) return slot;
    if (performance.now() > endMs) throw new Error(`no ${what} works`);
    await pause(POLL_MS);
  }
}
