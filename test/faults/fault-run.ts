/**
 * A fault run: clients give commands to a whole cluster, while the relay that works and the projector that
 * is active are killed again and again, and the engines are killed, cut, slowed and left to hang.
 */
import { pause } from '../crash/within.ts';
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { engineFaults } from './engine-faults.ts';
import { prove } from './proof.ts';
import { recovers } from './recovery.ts';
import type { Slot } from './slot.ts';
import { startWorkload, type Workload } from './workload.ts';

export interface FaultRunOptions {
  /** Of the working relay, and as many of the active projector. */
  readonly kills: number;
  readonly seed: number;
  /** After each kill and each fault; 30 s unless given. */
  readonly recoveredWithinMs?: number;
  readonly progress?: (line: string) => void;
}

export interface FaultTally {
  readonly kills: number;
  readonly relayKills: number;
  readonly projectorKills: number;
  readonly events: number;
  readonly acknowledged: number;
  /** Commands that had to be given more than once. */
  readonly retried: number;
  readonly lost: number;
  readonly doubled: number;
  /** Of engines, in their order. */
  readonly faults: readonly string[];
  readonly recoverySecondsMax: number;
}

const RECOVERED_WITHIN_MS = 30_000;
/** A loaded machine takes long to start a process. */
const WORKS_WITHIN_MS = 90_000;
/** After so many kills comes a fault of an engine, at the latest. */
const MAX_KILLS_BETWEEN_FAULTS = 20;
const MAX_LUCK_MS = 600;
/** In so many of a hundred, those that take over are killed while they do. */
const AGAIN_PERCENT = 25;
const TAKE_OVER_MS = 2_500;
const POLL_MS = 20;
/** Long runs are to show many kills, not many events. */
const [THINK_MS, LONG_RUN_THINK_MS, LONG_RUN_KILLS] = [150, 1_000, 100];

/** Throws, naming the seed, when something does not recover, or is not what it should be in the end. */
export async function faultRun(options: FaultRunOptions): Promise<FaultTally> {
  const { kills, seed } = options;
  const undo: (() => unknown)[] = [];
  let at = 'the start';
  try {
    const cluster = await startCluster({ after: (fn) => void undo.push(fn) });
    const thinkMs = kills > LONG_RUN_KILLS ? LONG_RUN_THINK_MS : THINK_MS;
    const load = startWorkload(cluster.client, seed, thinkMs);
    undo.push(() => load.stop().catch(() => {}));
    return await faultsOn(cluster, load, {
      ...options,
      progress(line) {
        at = line;
        options.progress?.(line);
      },
    });
  } catch (error) {
    throw new Error(`seed ${seed}, after ${at}: ${(error as Error).message}`, { cause: error });
  } finally {
    for (const end of undo.reverse()) await end();
  }
}

async function faultsOn(cluster: Cluster, load: Workload, options: FaultRunOptions): Promise<FaultTally> {
  const { kills, seed, progress, recoveredWithinMs: withinMs = RECOVERED_WITHIN_MS } = options;
  const random = seededRandom(seed);
  const names = Object.keys(engineFaults);
  const every = Math.max(1, Math.min(MAX_KILLS_BETWEEN_FAULTS, Math.floor(kills / names.length)));
  const faults: string[] = [];
  let order: string[] = [];
  let recoverySecondsMax = 0;
  const recovered = async (what: string, everyRole: boolean): Promise<void> => {
    const { seconds, steps } = await recovers(cluster, load, what, { everyRole, withinMs });
    recoverySecondsMax = Math.max(recoverySecondsMax, seconds);
    progress?.(
      `${what}; recovered in ${seconds.toFixed(1)} s (${steps}), ${load.acknowledged.length} acknowledged`,
    );
  };
  const fault = async (): Promise<void> => {
    if (order.length === 0) order = shuffled(names, random);
    const name = order.pop()!;
    // A role that has not started yet is its supervisor's: it may end when it finds no engine.
    await recovered(`${name}: before`, true);
    await engineFaults[name]!(cluster);
    faults.push(name);
    await recovered(name, true);
  };

  for (let kill = 1; kill <= kills; kill++) {
    await pause(random.below(MAX_LUCK_MS));
    await killBoth(cluster);
    if (kill < kills && random.below(100) < AGAIN_PERCENT) {
      await pause(random.below(TAKE_OVER_MS));
      kill += 1;
      await killBoth(cluster);
    }
    await recovered(`kill ${kill}`, kill === kills);
    if (faults.length * every < kill - every / 2 || kill === kills) await fault();
  }
  while (faults.length < names.length) await fault();
  await load.stop();
  await recovered('the end', true);
  const { acknowledged } = load;
  const proof = await prove(cluster, acknowledged);
  return {
    kills: 2 * kills,
    relayKills: kills,
    projectorKills: kills,
    ...proof,
    acknowledged: acknowledged.length,
    retried: load.retried(),
    faults,
    recoverySecondsMax: Number(recoverySecondsMax.toFixed(1)),
  };
}

/** The relay that works or, while it is taken over from, the next one; and the projector alike. */
async function killBoth(cluster: Cluster): Promise<void> {
  const victims = await Promise.all([
    working(cluster.workingRelay, 'relay'),
    working(cluster.activeProjector, 'projector'),
  ]);
  await Promise.all(victims.map((victim) => victim.killAnew()));
}

async function working(find: () => Slot | undefined, what: string): Promise<Slot> {
  const endMs = performance.now() + WORKS_WITHIN_MS;
  for (;;) {
    const found = find();
    if (found) return found;
    if (performance.now() > endMs) throw new Error(`no ${what} works`);
    await pause(POLL_MS);
  }
}

function shuffled<T>(all: readonly T[], random: SeededRandom): T[] {
  const left = [...all];
  const order: T[] = [];
  while (left.length > 0) order.push(...left.splice(random.below(left.length), 1));
  return order;
}
