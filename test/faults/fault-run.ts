/**
 * A fault run: clients give commands to a whole cluster, while the relay that works and the projector that
 * is active are killed again and again, and the engines are killed, cut, slowed and left to hang.
 */
import { pause } from '../crash/within.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { type Cluster, type LogEngine, startCluster } from './cluster.ts';
import { type EngineFault, faultsOf } from './engine-faults.ts';
import { type Health, type HealthWatch, watchHealth } from './health-watch.ts';
import { killJoining } from './join-kills.ts';
import type { KillPoint } from './kill-points.ts';
import { type Points, projectorKiller, relayKiller, shuffled } from './kills.ts';
import { prove } from './proof.ts';
import { recovers, untilReady } from './recovery.ts';
import type { Verified } from './verifying.ts';
import { startWorkload, type Workload } from './workload.ts';

export interface FaultRunOptions {
  /** Of the working relay, and as many of the active projector. */
  readonly kills: number;
  readonly seed: number;
  /** Postgres unless given. */
  readonly log?: LogEngine;
  /** After each kill and each fault; 30 s unless given. */
  readonly recoveredWithinMs?: number;
  readonly progress?: (line: string) => void;
}

export interface FaultTally {
  readonly kills: number;
  readonly relayKills: number;
  readonly projectorKills: number;
  /** How many of them at each named point. */
  readonly points: Readonly<Partial<Record<KillPoint, number>>>;
  readonly events: number;
  readonly acknowledged: number;
  /** Commands that had to be given more than once. */
  readonly retried: number;
  readonly verified: Verified;
  readonly health: Health;
  readonly lost: number;
  readonly doubled: number;
  /** Of engines, in their order. */
  readonly faults: readonly string[];
  readonly recoverySecondsMax: number;
}

interface RunOptions extends FaultRunOptions {
  readonly watch: HealthWatch;
  readonly engineFaults: Readonly<Record<string, EngineFault>>;
  readonly points: Points;
  /** Of projectors, before the run. */
  readonly joiningKills: number;
}

const RECOVERED_WITHIN_MS = 30_000;
/** After so many kills comes a fault of an engine, at the latest. */
const MAX_KILLS_BETWEEN_FAULTS = 20;
const MAX_LUCK_MS = 600;
/** Those that take over are killed while they do, so many times in a row at most. */
const AGAIN = 0.6;
const MAX_AGAIN = 3;
const TAKE_OVER_MS = 2_000;
/** Long runs are to show many kills, not many events. */
const [THINK_MS, LONG_RUN_THINK_MS, LONG_RUN_KILLS] = [300, 1_000, 50];

/** Throws, naming the seed, when something does not recover, or is not what it should be in the end. */
export async function faultRun(options: FaultRunOptions): Promise<FaultTally> {
  const { kills, seed, log = 'postgres' } = options;
  const undo: (() => unknown)[] = [];
  let at = 'the start';
  try {
    const points: Points = new Map();
    let joiningKills = 0;
    const cluster = await startCluster(
      { after: (fn) => void undo.push(fn) },
      {
        log,
        async joining(projectors, begin) {
          if (kills > 0) joiningKills = await killJoining(projectors, points, begin);
          else await begin();
        },
      },
    );
    options.progress?.('the cluster is there');
    const thinkMs = kills > LONG_RUN_KILLS ? LONG_RUN_THINK_MS : THINK_MS;
    const load = startWorkload({ apis: cluster.apis, seed, thinkMs });
    undo.push(() => load.stop().catch(() => {}));
    const watch = watchHealth(cluster, load);
    undo.push(() => watch.stop());
    return await faultsOn(cluster, load, {
      ...options,
      watch,
      engineFaults: faultsOf(log),
      points,
      joiningKills,
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

async function faultsOn(cluster: Cluster, load: Workload, options: RunOptions): Promise<FaultTally> {
  const { kills, seed, progress, points, recoveredWithinMs: withinMs = RECOVERED_WITHIN_MS } = options;
  const random = seededRandom(seed);
  const { engineFaults, watch } = options;
  const names = Object.keys(engineFaults);
  const every = Math.max(1, Math.min(MAX_KILLS_BETWEEN_FAULTS, Math.floor(kills / names.length)));
  const faults: string[] = [];
  let order: string[] = [];
  let recoverySecondsMax = 0;
  let [relayKills, projectorKills] = [0, options.joiningKills];
  const recovered = async (what: string, everyRole: boolean): Promise<void> => {
    const { seconds, steps } = await recovers(cluster, load, what, { everyRole, withinMs });
    recoverySecondsMax = Math.max(recoverySecondsMax, seconds);
    watch.assertTrue();
    progress?.(
      `${what}; recovered in ${seconds.toFixed(1)} s (${steps}), ${load.acknowledged.length} acknowledged`,
    );
  };
  const fault = async (): Promise<void> => {
    if (order.length === 0) order = shuffled(names, random);
    const name = order.pop()!;
    watch.happens(name);
    await engineFaults[name]!(cluster, load, watch);
    progress?.(`${name}: over`);
    faults.push(name);
    await recovered(name, true);
    watch.recovered();
  };
  const killRelay = relayKiller(cluster, { random: seededRandom(seed + 1), points, progress });
  const killProjector = projectorKiller(cluster, { random: seededRandom(seed + 2), points, progress });
  const killBoth = async (): Promise<void> => {
    const [ofRelays, ofProjectors] = await Promise.all([
      relayKills < kills ? killRelay() : 0,
      projectorKills < kills ? killProjector() : 0,
    ]);
    relayKills += ofRelays;
    projectorKills += ofProjectors;
  };
  const fewest = () => Math.min(relayKills, projectorKills);

  while (fewest() < kills) {
    await pause(random.below(MAX_LUCK_MS));
    await killBoth();
    for (let again = 0; fewest() < kills && again < MAX_AGAIN && random.chance(AGAIN); again++) {
      await pause(random.below(TAKE_OVER_MS));
      await killBoth();
    }
    const due = faults.length * every < fewest() - every / 2 || fewest() >= kills;
    const killed = `${relayKills} kills of relays and ${projectorKills} of projectors`;
    if (!due) {
      await recovered(killed, false);
      continue;
    }
    progress?.(killed);
    // What was killed may not be recovered from yet. But a role that has not started is its supervisor's: it
    // may end when it finds no engine.
    await untilReady(cluster, performance.now() + withinMs);
    await fault();
  }
  while (faults.length < names.length) await fault();
  await load.stop();
  await recovered('the end', true);
  await watch.stop();
  const { acknowledged } = load;
  const proof = await prove(cluster, acknowledged);
  return {
    kills: relayKills + projectorKills,
    relayKills,
    projectorKills,
    points: Object.fromEntries([...points].sort()),
    ...proof,
    acknowledged: acknowledged.length,
    retried: load.retried(),
    verified: load.verified(),
    health: watch.health(),
    faults,
    recoverySecondsMax: Number(recoverySecondsMax.toFixed(1)),
  };
}
