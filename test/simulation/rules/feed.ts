/**
 * A projection that moves between the log and Kafka and back, run by several processes: through deaths and
 * freezes, rebalances, topics that are trimmed, deleted or begun anew, a setting that is taken away, and a
 * log that is replaced.
 */
import assert from 'node:assert/strict';
import { memoryEventLog } from '../../engines/memory-event-log.ts';
import {
  type MemoryProjectionDatabase,
  memoryProjectionDatabase,
} from '../../engines/memory-projection-store.ts';
import { drawBlows, strike } from '../fed-fate.ts';
import { isOfLostHistory, isUsed, watchTruth } from '../fed-truth.ts';
import {
  asksForNoPredecessor,
  asksNoLogWhileFed,
  believesMarks,
  believesWatermarks,
  comparesNoPlace,
  forgetsMarks,
  goesOnFromTheGroup,
  hashesMarksAnew,
  keepsItsGeneration,
  movesThePlaceFirst,
  movesThePlaceLast,
  readsEndsLast,
  reportsTheGreatest,
  waitsForTheNextRecord,
} from '../fed-twins.ts';
import {
  bringBack,
  type FedWorld,
  isLevel,
  keepProjecting,
  lacksTopics,
  readBack,
  write,
} from '../fed-world.ts';
import { assertRows, eventually, ledgersOf, NAME, type RunnerPorts, rowsOf } from '../projection-world.ts';
import { beginAnew, keepRelaying } from '../relay-lives.ts';
import { brokerFate, brokerOf, streams, truthOf } from '../relay-world.ts';
import { defineRule } from '../rule.ts';
import type { Scheduler } from '../scheduler.ts';

interface Guards {
  /** What a projector has of the store, the log and Kafka. */
  ports(ports: RunnerPorts, world: FedWorld): RunnerPorts;
  /** As queries see it. */
  readable(database: MemoryProjectionDatabase): MemoryProjectionDatabase;
}

/** Times that an operator acts at the end of a schedule. */
const MAX_ACTS = 8;

async function play(scheduler: Scheduler, guards: Guards): Promise<void> {
  const log = memoryEventLog({ clock: scheduler.clock });
  const world: FedWorld = {
    scheduler,
    log,
    broker: brokerOf(scheduler),
    database: memoryProjectionDatabase({ clock: scheduler.clock }),
  };
  const { broker, database } = world;
  const truth = await truthOf(log, broker);
  broker.onVisible(() => truth.look());
  const applied = watchTruth(database, log);
  let wrong: unknown = null;
  const broken = () => applied.broken() ?? wrong;
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
    ports: guards.ports,
  });
  const others = () => [...relays.processes(), ...projectors.processes()];
  const fate = brokerFate(scheduler, broker, scheduler.chance(0.3) ? scheduler.below(3) : 0);
  const blows = [...drawBlows(scheduler)];
  const undisturbed = () =>
    blows.every((blow) => blow === 'rebalance') &&
    relays.disturbances() + projectors.disturbances() + fate.disturbances() === 0;
  applied.onWayBack(() => {
    if (undisturbed()) wrong ??= new Error('it went back to the log though nothing was missing');
  });

  const halted = () => database.current(NAME)?.halted != null;
  const asksForRestart = () =>
    (truth.mayHalt() && relays.says(({ state }) => state === 'halted')) ||
    relays.says(({ problem }) => problem?.includes('partitions, not') === true);
  const isLost = () => {
    const seen = database.current(NAME);
    return seen !== null && (truth.isLost(seen.stamp) || isOfLostHistory(seen, log));
  };
  const level = () => isLevel(world, projectors.fed) && !isLost();
  /** What is deleted is made anew with the next event. */
  const asFarAsItGets = () => level() || (lacksTopics(world) && isLevel(world, false) && !isLost());
  const hasReasonNotTo = () => !projectors.fed || lacksTopics(world) || halted() || asksForRestart();

  const total = 2 + scheduler.below(7);
  const waitsAt = scheduler.chance(0.8) ? scheduler.below(3) : -1;
  const underWay: Promise<void>[] = [];
  const at = blows.map(() => scheduler.below(total));
  for (let i = 0; i < total && broken() === null; i++) {
    if (i === waitsAt) {
      await wait(() => database.current(NAME)?.feed != null || hasReasonNotTo(), 'it never joined');
    } else if (scheduler.chance(0.4)) await scheduler.clock.sleep(scheduler.below(900));
    const written = await write(world, i);
    if (isUsed(written) && scheduler.chance(0.3)) underWay.push(read(written));
    for (const [nth, blow] of blows.entries()) {
      if (at[nth] !== i) continue;
      const struck = strike({ world, truth, applied, relays, projectors }, blow);
      if (scheduler.chance(0.5)) await struck;
      else underWay.push(struck);
    }
  }
  async function read(written: Awaited<ReturnType<typeof write>>): Promise<void> {
    const seen = await readBack(world, guards.readable(database), written);
    // Of a history that is lost anything may be read until it halts.
    if (seen === 'not seen' && !applied.isReplaced()) {
      wrong ??= new Error(`a read through ${written.position} does not show it`);
    }
  }
  await wait(() => relays.calm() && projectors.calm() && fate.calm(), 'no calm');
  await Promise.all(underWay);

  let isLast = false;
  for (let acts = 0; acts < MAX_ACTS; acts++) {
    const arrived = isLast ? level : asFarAsItGets;
    await wait(() => arrived() || halted() || asksForRestart(), 'it neither reaches the head nor halts');
    if (isLost()) await wait(halted, 'what was built on a lost history goes on');
    if (broken() !== null) break;
    if (halted()) await bringBack(world, truth.mintEpoch);
    else if (asksForRestart()) await beginAnew(scheduler, log, broker, others);
    else if (isLast) break;
    else {
      await write(world, total, streams[0]);
      isLast = true;
    }
  }
  await relays.stop();
  await projectors.stop();
  if (broken() !== null) throw broken();
  assertRows(rowsOf(database), ledgersOf(log.events.filter(isUsed)), 'the rows are not the log');
  assert.ok(level(), 'operators cannot bring it back');
}

export const feedRule = defineRule<Guards>({
  name: 'feed',
  says: 'rows hold each event once and in order, and positions claim nothing else, by log or by Kafka and on every way between',
  guards: { ports: (ports) => ports, readable: (database) => database },
  play,
  twins: [
    {
      name: 'the ends of the topics are read behind the log’s head',
      breaks: 'what is relayed between the two lies below the offsets and behind what was taken from the log',
      guards: { ports: readsEndsLast },
    },
    {
      name: 'a record is applied without a look at its predecessor',
      breaks: 'what was trimmed or lost with its topic is missing',
      guards: { ports: asksForNoPredecessor },
    },
    {
      name: 'a watermark is believed without its predecessor',
      breaks: 'it stands for events that were trimmed before it',
      guards: { ports: believesWatermarks },
    },
    {
      name: 'a member goes on where its group was',
      breaks: 'what was delivered and not committed is missing',
      guards: { ports: goesOnFromTheGroup },
    },
    {
      name: 'a place is not compared',
      breaks: 'a member that stood still applies what its successor has',
      guards: { ports: comparesNoPlace },
    },
    {
      name: 'a place moves before the rows',
      breaks: 'a crash between the two loses events',
      guards: { ports: movesThePlaceFirst },
    },
    {
      name: 'a place moves behind the rows',
      breaks: 'a crash between the two applies events twice',
      guards: { ports: movesThePlaceLast },
    },
    {
      name: 'what was applied beyond the least place is forgotten on the way back',
      breaks: 'it is applied again',
      guards: { ports: forgetsMarks },
    },
    {
      name: 'marks do not keep of how many partitions they are',
      breaks: 'with another number they cover other streams',
      guards: { ports: hashesMarksAnew },
    },
    {
      name: 'only the least bookmark is compared with the log on the way back',
      breaks: 'what a failover put where a mark is gets skipped',
      guards: { ports: believesMarks },
    },
    {
      name: 'who is fed asks the log nothing',
      breaks: 'a history that is lost goes on being read',
      guards: { ports: asksNoLogWhileFed },
    },
    {
      name: 'a gap is found by the next record alone',
      breaks: 'a topic that is trimmed and quiet is never read to its end',
      guards: { ports: waitsForTheNextRecord },
    },
    {
      name: 'nobody looks which generation stands',
      breaks: 'members wait for ever at topics that nobody writes to',
      guards: { ports: keepsItsGeneration },
    },
    {
      name: 'the greatest place is reported',
      breaks: 'a read does not show what it was promised',
      guards: { readable: reportsTheGreatest },
    },
  ],
});
