/** Asks every role of a cluster for its health all the while, and holds against it what is so. */
import { pause } from '../crash/within.ts';
import { until } from '../support/platform-process.ts';
import type { Cluster } from './cluster.ts';
import { type Happening, type HealthAnswer, isContent, judge, tells } from './health-judge.ts';
import { STANDS_STILL_TOLD_WITHIN_MS, TOLD_WITHIN_MS, truths } from './health-truth.ts';
import { watchProjections } from './projections-watch.ts';
import type { Slot } from './slot.ts';
import { watchStandstill } from './standstill.ts';
import type { Workload } from './workload.ts';

const ASK_EVERY_MS = 500;
/** What takes longer is told by `lies`; so long it is waited for. */
const MAX_WAIT_MS = 60_000;
/** Half as long as a role takes to notice. */
const STOOD_STILL_MS = 2_000;
const KILLS = 'roles killed';
/** Longer ago nothing matters. */
const MAX_HAPPENINGS = 10;

export interface Health {
  /** Answers, of all roles. */
  readonly asked: number;
  readonly lies: number;
  /** From the moment that an engine was away to the one when all who need it said so, at most. */
  readonly toldSecondsMax: number;
}

export interface HealthWatch {
  /** Something happens, by its name in the table, and until `recovered` may be told. */
  happens(what: string): void;
  recovered(): void;
  /** The engine is away until it is `back`: call it before it is. */
  away(): { back(): void };
  /** Until every role says what it must while the engine is away. */
  untilTold(): Promise<void>;
  health(): Health;
  /** Throws what was said and is not so. */
  assertTrue(): void;
  stop(): Promise<void>;
}

interface Seen extends HealthAnswer {
  readonly life: number;
  /** Its first answer. */
  readonly lifeSinceMs: number;
}

export function watchHealth(
  cluster: Omit<Cluster, 'workingRelay' | 'activeProjector'>,
  { acknowledged, refusals }: Pick<Workload, 'acknowledged' | 'refusals'>,
): HealthWatch {
  const stop = new AbortController();
  const standstill = watchStandstill(cluster, acknowledged);
  const lies: string[] = [];
  const last = new Map<Slot, Seen>();
  const silentSinceMs = new Map<Slot, number>();
  let happenings: Happening[] = [];
  let asked = 0;
  let toldMsMax = 0;
  /** When one of them said last that something is the matter, or was found out. */
  const deniedMs = { relay: 0, projector: 0 };

  const begin = (what: string): void => {
    const nowMs = performance.now();
    const truth = truths[what];
    if (!truth) throw new Error(`the table does not say what is true when ${what}`);
    const before = happenings.map((one) => (one.toMs === null ? { ...one, toMs: nowMs } : one));
    happenings = [...before, { what, truth, fromMs: nowMs, toMs: null, awaySinceMs: null }].slice(
      -MAX_HAPPENINGS,
    );
  };
  const now = (): Happening => happenings.at(-1)!;
  const turn = (awaySinceMs: number | null): void => {
    happenings = [...happenings.slice(0, -1), { ...now(), awaySinceMs }];
  };
  const lie = (slot: Slot, what: string): void => {
    const { what: happening, awaySinceMs } = now();
    const nowMs = performance.now();
    const since = awaySinceMs === null ? '' : `, away for ${((nowMs - awaySinceMs) / 1000).toFixed(1)} s`;
    lies.push(`${slot.role} at ${slot.url} (${happening}${since}): ${what}`);
  };

  const standsStillSinceMs = ({ role }: Slot): number | null =>
    role === 'relay' || role === 'projector' ? standstill.sinceMs[role]() : null;
  const assertMoves = (slot: Slot): void => {
    const { role } = slot;
    const stillMs = standsStillSinceMs(slot);
    if (stillMs === null || !(role === 'relay' || role === 'projector')) return;
    // Since when none of them has said that anything is the matter.
    const sinceMs = Math.max(stillMs, deniedMs[role]);
    const these = cluster.slots.filter((one) => one.role === role && one.life() !== null);
    if (these.length === 0) return;
    const answers = these.map((one) => last.get(one));
    // Of those that share the work it is enough that one says it.
    const denies = (one: Seen): boolean =>
      isContent(one) && one.startedMs - Math.max(sinceMs, one.lifeSinceMs) > STANDS_STILL_TOLD_WITHIN_MS;
    if (!answers.every((one) => one && denies(one))) return;
    deniedMs[role] = performance.now();
    const seconds = ((performance.now() - stillMs) / 1000).toFixed(1);
    lie(slot, `all say that all is well, and nothing has moved for ${seconds} s`);
  };
  /** A process of the API that said that all is well, and when it had carried out nothing for so long. */
  const confident = new Map<Slot, { readonly sinceMs: number; readonly atMs: number }>();
  const assertCarriesOut = (slot: Slot, answer: HealthAnswer): void => {
    const by = cluster.apis.findIndex((api) => api.slot === slot);
    const refused = by < 0 ? null : refusals.of(by);
    if (refused === null) return;
    const { sinceMs, lastMs } = refused;
    const said = confident.get(slot);
    // What was given after that failed as well.
    if (said?.sinceMs === sinceMs && lastMs > said.atMs) {
      confident.delete(slot);
      lie(slot, `it said that all is well, and has carried out no command since ${sinceMs.toFixed(0)}`);
    } else if (isContent(answer) && answer.startedMs - sinceMs > STANDS_STILL_TOLD_WITHIN_MS) {
      if (said?.sinceMs !== sinceMs) confident.set(slot, { sinceMs, atMs: answer.answeredMs });
    }
  };
  const assertAnswers = (slot: Slot, { ready, live, startedMs, answeredMs }: HealthAnswer): void => {
    if (ready !== null && live !== null) {
      silentSinceMs.delete(slot);
      return;
    }
    const sinceMs = silentSinceMs.get(slot) ?? startedMs;
    silentSinceMs.set(slot, sinceMs);
    if (answeredMs - sinceMs < TOLD_WITHIN_MS) return;
    silentSinceMs.delete(slot);
    lie(slot, `no answer for ${((answeredMs - sinceMs) / 1000).toFixed(1)} s`);
  };
  const askOnce = async (slot: Slot): Promise<void> => {
    const life = slot.life();
    if (life === null) {
      silentSinceMs.delete(slot);
      return;
    }
    const { awaySinceMs } = now();
    const startedMs = performance.now();
    const stillBefore = standsStillSinceMs(slot);
    const [{ ready, reasons }, live] = await Promise.all([slot.probe(), slot.probeLife()]);
    if (slot.life() !== life || stop.signal.aborted) return;
    const answeredMs = performance.now();
    const before = last.get(slot);
    const redisSinceMs = reasons.redis === undefined ? null : (before?.redisSinceMs ?? startedMs);
    const stoodStill = [stillBefore, standsStillSinceMs(slot)].some(
      (ms) => ms !== null && answeredMs - ms > STOOD_STILL_MS,
    );
    const lifeSinceMs = before?.life === life ? before.lifeSinceMs : startedMs;
    const answer: Seen = {
      ...{ role: slot.role, startedMs, answeredMs, ready, reasons, live },
      ...{ redisSinceMs, stoodStill, life, lifeSinceMs },
    };
    asked += 1;
    last.set(slot, answer);
    assertAnswers(slot, answer);
    // Whoever was away may be back since it was asked.
    const untrue = judge(answer, awaySinceMs === now().awaySinceMs ? happenings : withoutAway(happenings));
    if (untrue !== null) lie(slot, untrue);
    if (!isContent(answer) && (slot.role === 'relay' || slot.role === 'projector')) {
      deniedMs[slot.role] = answer.answeredMs;
    }
    assertMoves(slot);
    assertCarriesOut(slot, answer);
  };
  const askAll = async (slot: Slot): Promise<void> => {
    while (!stop.signal.aborted) {
      await askOnce(slot);
      await pause(ASK_EVERY_MS);
    }
  };
  const allTell = (): boolean => {
    const { truth, awaySinceMs } = now();
    return cluster.slots.every((slot) => {
      const answer = last.get(slot);
      if (slot.life() === null) return true;
      return answer !== undefined && answer.startedMs > awaySinceMs! && tells(answer, truth);
    });
  };

  begin(KILLS);
  const asking = cluster.slots.map(askAll);
  const projections = watchProjections(cluster, ({ slot }, what) => lie(slot, what));
  return {
    happens: begin,
    recovered: () => begin(KILLS),
    away() {
      turn(performance.now());
      return { back: () => turn(null) };
    },
    async untilTold() {
      const { what, awaySinceMs } = now();
      await until(`every role tells the truth: ${what}`, allTell, MAX_WAIT_MS);
      toldMsMax = Math.max(toldMsMax, performance.now() - awaySinceMs!);
    },
    health: () => ({
      asked: asked + projections.asked(),
      lies: lies.length,
      toldSecondsMax: Number((toldMsMax / 1000).toFixed(1)),
    }),
    assertTrue() {
      if (lies.length > 0) throw new Error(`health was not what was said:\n${lies.join('\n')}`);
    },
    async stop() {
      stop.abort();
      await Promise.all([...asking, projections.stop(), standstill.stop()]);
    },
  };
}

function withoutAway(happenings: readonly Happening[]): readonly Happening[] {
  return happenings.map((one) => ({ ...one, awaySinceMs: null }));
}
