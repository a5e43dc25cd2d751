/** What befalls a projection that Kafka feeds, besides deaths and freezes of its processes. */
import type { Joins } from './fed-joins.ts';
import { rebuildFed, verifyFed } from './fed-rebuild.ts';
import { DOMAINS, type FedTruth } from './fed-truth.ts';
import type { FedWorld, Projectors } from './fed-world.ts';
import type { RunnerPorts } from './projection-world.ts';
import { relayAway, relayDiesAtJoin } from './relay-away.ts';
import { beginAnew, type Relays } from './relay-lives.ts';
import type { WorldTruth } from './relay-world.ts';
import type { Scheduler } from './scheduler.ts';

/** After these nothing is missing, and what is fed stays fed. */
const HARMLESS = ['rebalance', 'rebuild', 'verify', 'relay away', 'relay dies at a join'] as const;
const BLOWS = [
  ...HARMLESS,
  'trim',
  'delete topic',
  'generation',
  'without Kafka',
  'replace log',
  'replace log on the way back',
  'lose position topic',
] as const;
export type Blow = (typeof BLOWS)[number];

export function isHarmless(blow: Blow): boolean {
  return HARMLESS.some((one) => one === blow);
}

export function drawBlows(scheduler: Scheduler): readonly Blow[] {
  const likely: readonly Blow[] = [
    ...(['trim', 'trim', 'rebalance', 'generation', 'without Kafka', 'rebuild', 'relay away'] as const),
  ];
  const count = scheduler.below(3);
  return Array.from({ length: count }, () => scheduler.pick(scheduler.chance(0.6) ? likely : BLOWS));
}

export interface Struck {
  readonly world: FedWorld;
  readonly truth: WorldTruth;
  readonly applied: FedTruth;
  readonly relays: Relays;
  readonly projectors: Projectors;
  readonly joins: Joins;
  /** What whoever works on it has of the store and the log. */
  readonly ports: (ports: RunnerPorts) => RunnerPorts;
}

export async function strike(struck: Struck, blow: Blow): Promise<void> {
  const { world, truth, applied, relays, projectors } = struck;
  const { scheduler, log, broker } = world;
  scheduler.note(`blow: ${blow}`);
  switch (blow) {
    case 'rebuild':
      return rebuildFed(struck);
    case 'verify':
      return verifyFed(struck);
    case 'relay away':
      return relayAway(struck);
    case 'relay dies at a join':
      return relayDiesAtJoin(struck);
    case 'trim':
      return trim(world);
    case 'delete topic':
      return truth.deleteTopic(scheduler, scheduler.pick(['keys', 'owners']));
    case 'rebalance': {
      const groups = broker.groups();
      if (groups.length === 0) return;
      const group = scheduler.pick(groups);
      return scheduler.chance(0.5) ? group.evict() : group.rebalance();
    }
    case 'generation':
      return beginAnew(scheduler, log, broker, () => [...relays.processes(), ...projectors.processes()]);
    case 'without Kafka':
      return withoutKafka(scheduler, projectors);
    case 'replace log':
      applied.logReplaced();
      return truth.replaceLog(scheduler);
    case 'replace log on the way back':
      applied.logReplaced();
      applied.onWayBack(() => {
        applied.onWayBack(() => {});
        projectors.restart();
        void truth.replaceLog(scheduler);
      });
      return trim(world);
    case 'lose position topic':
      return truth.deletePositionTopic(scheduler);
  }
}

/** Retention that is quicker than who reads: most of what appears is gone before anybody has seen it. */
function trim({ scheduler, broker }: FedWorld): void {
  let left = 1 + scheduler.below(4);
  const stop = broker.onVisible(() => {
    const topics = broker.topics().filter(({ domain }) => DOMAINS.includes(domain));
    if (topics.length === 0 || scheduler.chance(0.5)) return;
    const { domain, generation, partitions } = scheduler.pick(topics);
    for (let partition = 0; partition < partitions; partition++) {
      const place = { domain, partition };
      const records = broker.committed(generation, place);
      const last = records.at(-1 - scheduler.below(2));
      if (last && scheduler.chance(0.7)) broker.trim(generation, place, Number(last.offset) + 1);
    }
    left -= 1;
    if (left === 0) stop();
  });
}

/** A setting is taken away: at once, or one process after the other as they start anew. */
async function withoutKafka(scheduler: Scheduler, projectors: Projectors): Promise<void> {
  projectors.configure(false);
  projectors.restart();
  void (async () => {
    if (scheduler.chance(0.3)) return;
    await scheduler.clock.sleep(scheduler.below(4000));
    projectors.configure(true);
    projectors.restart();
  })();
}
