/**
 * A projection that moves between the log and Kafka and back, run by several processes: through deaths and
 * freezes, rebalances, topics that are trimmed, deleted or begun anew, a setting that is taken away, and a
 * log that is replaced.
 */
import assert from 'node:assert/strict';
import { memoryEventLog } from '../../engines/memory-event-log.ts';
import { memoryProjectionDatabase } from '../../engines/memory-projection-store.ts';
import { drawBlows, isHarmless, type Struck, strike } from '../fed-fate.ts';
import { watchJoins } from '../fed-joins.ts';
import { kafkaTwins } from '../fed-kafka-twins.ts';
import { bringBack, tendParked } from '../fed-operator.ts';
import { type Outlook, outlookOf } from '../fed-outlook.ts';
import { fedParkingTwins } from '../fed-parking-twins.ts';
import { placeTwins } from '../fed-place-twins.ts';
import { fedRebuildTwins } from '../fed-rebuild-twins.ts';
import { isUsed, watchTruth } from '../fed-truth.ts';
import {
  type FedGuards,
  type FedWorld,
  keepProjecting,
  readBack,
  type Written,
  write,
} from '../fed-world.ts';
import {
  assertRows,
  eventually,
  ledgersOf,
  NAME,
  type Poison,
  type RunnerPorts,
  rowsOf,
} from '../projection-world.ts';
import { beginAnew, keepRelaying } from '../relay-lives.ts';
import { brokerFate, brokerOf, streams, truthOf } from '../relay-world.ts';
import { defineRule } from '../rule.ts';
import type { Scheduler } from '../scheduler.ts';
import { discardedOf } from '../stream-fate.ts';

/** Times that an operator acts at the end of a schedule. */
const MAX_ACTS = 16;
const POISONS: readonly Poison[] = ['none', 'none', 'none', 'bug', 'broken'];

async function play(scheduler: Scheduler, guards: FedGuards): Promise<void> {
  const log = memoryEventLog({ clock: scheduler.clock });
  const world: FedWorld = {
    scheduler,
    log,
    broker: brokerOf(scheduler),
    database: memoryProjectionDatabase({ clock: scheduler.clock }),
    code: { mended: false },
    operators: new Set(),
  };
  const { broker, database, code } = world;
  const truth = await truthOf(log, broker);
  broker.onVisible(() => truth.look());
  const applied = watchTruth(world);
  const joins = watchJoins(world, applied.isReplaced);
  const ports = (given: RunnerPorts) => guards.ports(joins.ports(given), world);
  let wrong: unknown = null;
  const broken = () => applied.broken() ?? joins.broken() ?? wrong;
  const wait = (holds: () => boolean, message: string) =>
    eventually(scheduler, () => broken() !== null || holds(), message);

  const relays = keepRelaying(scheduler, {
    log,
    broker,
    count: scheduler.chance(0.2) ? 2 : 1,
    mishaps: scheduler.below(2),
  });
  const projectors = keepProjecting(world, {
    count: 1 + scheduler.below(3),
    mishaps: scheduler.below(4),
    ports,
  });
  const fate = brokerFate(scheduler, broker, scheduler.chance(0.3) ? scheduler.below(3) : 0);
  const blows = [...drawBlows(scheduler)];
  const undisturbed = () =>
    blows.every(isHarmless) && relays.disturbances() + projectors.disturbances() + fate.disturbances() === 0;
  applied.onWayBack(() => {
    if (undisturbed()) wrong ??= new Error('it went back to the log though nothing was missing');
  });

  const struck: Struck = { world, truth, applied, relays, projectors, joins, ports };
  const outlook = outlookOf(struck);
  const total = 2 + scheduler.below(7);
  const waitsAt = scheduler.chance(0.8) ? scheduler.below(3) : -1;
  const underWay: Promise<void>[] = [];
  // Most of them once it is fed.
  const first = Math.min(Math.max(waitsAt, 0), total - 1);
  const at = blows.map(() =>
    scheduler.chance(0.7) ? first + scheduler.below(total - first) : scheduler.below(total),
  );
  const poisons = scheduler.chance(0.3) ? POISONS : (['none'] as const);
  const mendedAt = scheduler.below(total + 1) - 1;
  const mend = () => {
    code.mended = true;
    projectors.restart();
    for (const end of world.operators) end();
  };
  if (poisons.length === 1) code.mended = true;
  const stopLooking = joins.onLook(() => {
    if (scheduler.chance(0.3)) underWay.push(writeSoon());
  });
  for (let i = 0; i < total && broken() === null; i++) {
    if (i === waitsAt) {
      await wait(
        () => database.current(NAME)?.feed != null || outlook.hasReasonNotToJoin(),
        'it never joined',
      );
    } else if (scheduler.chance(0.4)) await scheduler.clock.sleep(scheduler.below(900));
    const written = await write(world, { amount: i, poison: scheduler.pick(poisons) });
    if (isUsed(written) && written.poison === 'none' && scheduler.chance(0.3)) underWay.push(read(written));
    for (const [nth, blow] of blows.entries()) {
      if (at[nth] !== i) continue;
      const blown = strike(struck, blow).catch((error: unknown) => {
        wrong ??= error;
      });
      if (scheduler.chance(0.5)) await blown;
      else underWay.push(blown);
    }
    if (i >= mendedAt && !code.mended) mend();
    if (poisons.length > 1 && scheduler.chance(0.3)) await tendParked(world);
  }
  if (!code.mended) mend();
  stopLooking();
  /** What comes between what a join looks at. */
  async function writeSoon(): Promise<void> {
    for (let steps = scheduler.below(30); steps > 0; steps--) await scheduler.turn('soon');
    await write(world);
  }
  async function read(written: Written): Promise<void> {
    const seen = await readBack(world, guards.readable(database), written);
    // Of a history that is lost anything may be read until it halts.
    if (seen === 'not seen' && !applied.isReplaced()) {
      wrong ??= new Error(`a read through ${written.position} does not show it`);
    }
  }
  await wait(() => relays.calm() && projectors.calm() && fate.calm(), 'no calm');
  await Promise.all(underWay);

  await settle(struck, outlook, wait, () => broken() !== null);
  await relays.stop();
  await projectors.stop();
  if (broken() !== null) throw broken();
  const used = log.events.filter(isUsed);
  assertRows(rowsOf(database), ledgersOf(used, discardedOf(used)), 'the rows are not the log');
  assert.equal(database.current(NAME)!.data.parked.size, 0, 'a stream stayed parked');
  assert.ok(outlook.isLevel(), 'operators cannot bring it back');
}

/** An operator does what is asked for until nothing is; then one event more is written. */
async function settle(
  { world, truth, relays, projectors }: Struck,
  outlook: Outlook,
  wait: (holds: () => boolean, message: string) => Promise<void>,
  isOver: () => boolean,
): Promise<void> {
  const { scheduler, log, broker } = world;
  const { isHalted, asksForRestart } = outlook;
  const others = () => [...relays.processes(), ...projectors.processes()];
  let isLast = false;
  for (let acts = 0; acts < MAX_ACTS; acts++) {
    const arrived = isLast ? outlook.isLevel : outlook.isAsFarAsItGets;
    await wait(() => arrived() || isHalted() || asksForRestart(), 'it neither reaches the head nor halts');
    if (outlook.isLost()) await wait(isHalted, 'what was built on a lost history goes on');
    if (isOver()) break;
    if (isHalted()) await bringBack(world, truth.mintEpoch);
    else if (asksForRestart()) await beginAnew(scheduler, log, broker, others);
    else if (await tendParked(world)) continue;
    else if (isLast) break;
    else {
      await write(world, { stream: streams[0]! });
      isLast = true;
    }
  }
}

export const feedRule = defineRule<FedGuards>({
  name: 'feed',
  says: 'rows hold each event once and in order, and positions claim nothing else, by log or by Kafka and on every way between',
  guards: { ports: (ports) => ports, readable: (database) => database },
  play,
  twins: [...kafkaTwins, ...placeTwins, ...fedParkingTwins, ...fedRebuildTwins],
});
