/**
 * A crash run: clients give commands, the process and its PostgreSQL are killed under them again and
 * again, and what clients were told is held against the log, and the read models against a rebuild.
 *
 * A kill counts only when at least one write that was sent had no answer at that moment, and got none.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openKeyring } from '../../infra/secrets/keyring.ts';
import { systemRandom } from '../../infra/system-clock.ts';
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts';
import { type KillPoint, killPoints, projectionPoints, shutdownPoints } from './kill-points.ts';
import type { Fault, FaultKind } from './ledger.ts';
import { type Life, startLife } from './life.ts';
import { killPostgres, type PostgresKill } from './postgres-kill.ts';
import { type Proof, prove } from './proof.ts';
import { crashSettings } from './settings.ts';
import { sweepAfter } from './sweeper.ts';
import type { Twin } from './twins.ts';
import { pause, within } from './within.ts';
import { CLIENTS, Workload } from './workload.ts';

export interface CrashOptions {
  readonly kills: number;
  readonly postgresKills: number;
  readonly seed: number;
  /** Of kills to which a whole proof is made; one is made at the end anyway. */
  readonly proveEvery?: number;
  /** The product as it is, unless given. */
  readonly twin?: Twin;
  readonly progress?: (line: string) => void;
}

export interface CrashTally {
  readonly kills: number;
  readonly postgresKills: number;
  /** Commands that clients were told to have been accepted. */
  readonly acknowledged: number;
  readonly lost: number;
  readonly doubled: number;
  readonly reordered: number;
  /** Retries that did not answer the original, and secrets that open nothing. */
  readonly altered: number;
  readonly retries: number;
  /** Rows of read models that differ from those of a rebuild. */
  readonly differences: number;
}

export interface CrashResult {
  readonly tally: CrashTally;
  /** What was wrong, in words: the first few. */
  readonly wrong: readonly string[];
  /** Kills that counted, by where they hit. */
  readonly hits: ReadonlyMap<string, number>;
  /** Times that a process did not recover from the loss of its server by itself. */
  readonly notRecovered: number;
}

const FAST_THINK_MS = 4;
const SLOW_THINK_MS = 40;
const POINT_WITHIN_MS = 30_000;
const RECOVERED_WITHIN_MS = 30_000;
const STOP_WITHIN_MS = 10_000;
const RETRIED_AFTER_KILL = 4;
const MAX_WRONG = 20;
/** One kill in so many comes from outside, at any moment. */
const OUTSIDE_ONE_IN = 4;
/** The embedded server's owner gives up after one more loss a minute: the next kill takes the owner along. */
const MAX_LOSSES_OF_ONE_OWNER = 4;
/** A server that recovers is killed again, in so many of a hundred. */
const KILLED_AGAIN_PERCENT = 30;
const RECOVERY_MS = 1_500;

/** Throws, naming seed and kill, when something hangs or does not start; faults are in the result. */
export async function crashRun(options: CrashOptions): Promise<CrashResult> {
  const folder = await mkdtemp(join(tmpdir(), 'plinth-crash-'));
  const sweeper = sweepAfter(folder);
  const run = await openRun(options, folder);
  try {
    await run.processKills();
    await run.postgresKills();
    return await run.end();
  } catch (error) {
    throw new Error(`seed ${options.seed}, ${run.at()}: ${(error as Error).message}`, { cause: error });
  } finally {
    await run.close();

    sweeper.stdin!.end();
    await new Promise((resolve) => sweeper.once('exit', resolve));

    await rm(folder, { recursive: true, force: true });
  }
}

async function openRun(options: CrashOptions, folder: string) {
  const random: SeededRandom = seededRandom(options.seed);
  const settings = crashSettings(folder, null);
  const { peppers } = await openKeyring({
    dataDir: folder,
    random: systemRandom,
    masterKey: settings.masterKey!,
    peppers: settings.peppers!,
  });
  const load = new Workload(options.seed, peppers);
  const hits = new Map<string, number>();
  const faults: Fault[] = [];
  const wrong: string[] = [];
  const total = options.kills + options.postgresKills;
  const proveEvery = options.proveEvery ?? Math.max(10, Math.ceil(total / 20));
  let life: Life | null = null;
  let kills = 0;
  let postgresKills = 0;
  let notRecovered = 0;
  /** Of the server, since the process that owns it began. */
  let losses = 0;
  let differences = 0;
  let seen: readonly string[] = [];
  let at = 'before the first kill';

  const begin = async (): Promise<Life> => {
    if (life && !life.isGone()) return life;
    life = await startLife(folder, options.twin ?? 'none', load.answered);
    load.attach(life);
    await load.retrySome(RETRIED_AFTER_KILL);
    return life;
  };

  const check = async (): Promise<void> => {
    load.thinkMs = SLOW_THINK_MS;
    const { url } = await begin();
    await load.pause();
    await load.retrySome(RETRIED_AFTER_KILL * 5);
    const proof: Proof = await prove(folder, url, load.entries, seen);
    const found = [...proof.faults, ...load.faults.splice(0)];
    faults.push(...found);
    differences += proof.differences;
    for (const one of [...found.map(({ kind, what }) => `${kind}: ${what}`), ...proof.first]) {
      if (wrong.length < MAX_WRONG) wrong.push(`${one} (found after ${at})`);
    }
    seen = proof.ids;
    options.progress?.(
      `${kills} + ${postgresKills} kills, ${load.acknowledged} acknowledged, ${proof.events} events, ${found.length} faults, ${proof.differences} differences`,
    );
    load.resume();
  };

  const counted = (where: string): void => {
    hits.set(where, (hits.get(where) ?? 0) + 1);
  };

  /** Answers whether a write was in flight. */
  async function killProcess(point: KillPoint | 'outside'): Promise<boolean> {
    load.thinkMs = SLOW_THINK_MS;
    const victim = await begin();
    const dead = victim.gone.then(() => true);
    if ((projectionPoints as readonly string[]).includes(point) || point === 'shutdown-projecting') {
      await within(POINT_WITHIN_MS, 'the projector did not come to life', Promise.race([victim.live, dead]));
    }
    load.thinkMs = FAST_THINK_MS;
    await pause(20 + random.below(150));
    if (point === 'outside') victim.kill();
    else {
      victim.arm(point, 1 + random.below(6), random.below(4));
      if ((shutdownPoints as readonly string[]).includes(point)) victim.stop();
    }
    // What was sent and has no answer when all that it said has been heard.
    let inFlight = 0;
    const gone = victim.gone.then(() => {
      inFlight = unanswered();
    });
    await within(POINT_WITHIN_MS, `it did not die at ${point}; it said: ${victim.said()}`, gone);
    return inFlight > 0;
  }
  let unanswered = () => 0;
  const attached = load.attach.bind(load);
  load.attach = (next) => {
    // Asked before the workload lets go of what was in flight.
    void next.gone.then(() => {
      const left = load.unacknowledged;
      unanswered = () => left;
    });
    attached(next);
  };

  /** Commands are acknowledged again, more than were on their way already. */
  async function recovered(victim: Life): Promise<void> {
    load.thinkMs = SLOW_THINK_MS;
    const enough = load.acknowledged + 2 * CLIENTS;
    const endMs = Date.now() + RECOVERED_WITHIN_MS;
    while (load.acknowledged < enough && !victim.isGone() && Date.now() < endMs) await pause(10);
    if (load.acknowledged >= enough) return;
    notRecovered += 1;
    wrong.push(`${at}: the process did not recover by itself; it said: ${victim.said()}`);
    victim.kill();
    await victim.gone;
    losses = 0;
  }

  async function killServer(what: PostgresKill, both: boolean): Promise<boolean> {
    const victim = await begin();
    load.thinkMs = FAST_THINK_MS;
    await pause(50 + random.below(300));
    const before = load.attemptsInFlight();
    const failed = new Set<number>();
    load.onFailed = (attempt) => failed.add(attempt);
    const killed = await killPostgres(folder, what, (n) => random.below(n));
    if (both) victim.kill();
    if (killed === 0 && !both) {
      await recovered(victim);
      return false;
    }
    // Some die again while they recover.
    losses = both ? 0 : losses + 1;
    if (!both && losses < MAX_LOSSES_OF_ONE_OWNER && random.below(100) < KILLED_AGAIN_PERCENT) {
      await pause(random.below(RECOVERY_MS));
      await killPostgres(folder, 'server', (n) => random.below(n));
      losses += 1;
    }
    if (both) await victim.gone;
    else await recovered(victim);
    load.onFailed = () => {};
    return both ? unanswered() > 0 : [...before].some((attempt) => failed.has(attempt));
  }

  return {
    at: () => at,
    async processKills() {
      let order: KillPoint[] = [];
      for (let tries = 1; kills < options.kills; tries++) {
        if (tries > options.kills * 2 + 10) throw new Error('too few kills met a write in flight');
        if (order.length === 0) order = shuffled(killPoints, random);
        const point = random.below(OUTSIDE_ONE_IN) === 0 ? 'outside' : order.pop()!;
        at = `process kill ${kills + 1} (${point})`;
        if (!(await killProcess(point))) continue;
        kills += 1;
        counted(point);
        if (kills % proveEvery === 0) await check();
      }
    },
    async postgresKills() {
      for (let tries = 1; postgresKills < options.postgresKills; tries++) {
        if (tries > options.postgresKills * 2 + 10) throw new Error('too few kills met a write in flight');
        const both = losses >= MAX_LOSSES_OF_ONE_OWNER;
        const what = both ? 'server' : random.pick(['server', 'server', 'postmaster', 'backend'] as const);
        at = `PostgreSQL kill ${postgresKills + 1} (${both ? 'with its owner' : what})`;
        if (!(await killServer(what, both))) continue;
        postgresKills += 1;
        counted(both ? 'postgres-with-owner' : `postgres-${what}`);
        if (postgresKills % proveEvery === 0) await check();
      }
    },
    async end(): Promise<CrashResult> {
      await check();
      await load.stop();
      at = 'the last stop';
      life!.stop();
      await within(STOP_WITHIN_MS, 'it did not stop', life!.gone).catch((error: Error) => {
        wrong.push(`${error.message}; it said: ${life!.said()}`);
      });

      const of = (kind: FaultKind) => faults.filter((fault) => fault.kind === kind).length;
      const tally: CrashTally = {
        kills,
        postgresKills,
        acknowledged: load.acknowledged,
        lost: of('lost'),
        doubled: of('doubled'),
        reordered: of('reordered'),
        altered: of('altered'),
        retries: load.retries,
        differences,
      };
      return { tally, wrong, hits, notRecovered };
    },
    async close() {
      if (!life || life.isGone()) return;
      life.kill();
      await life.gone;
    },
  };
}

function shuffled<T>(all: readonly T[], random: SeededRandom): T[] {
  const left = [...all];
  const order: T[] = [];
  while (left.length > 0) order.push(...left.splice(random.below(left.length), 1));
  return order;
}
