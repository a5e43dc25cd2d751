/**
 * Two relays of which one at most may write, through crashes and freezes inside a transaction, lost
 * answers, a broker that restarts, topics that are deleted, and a log that is replaced under them.
 */
import assert from 'node:assert/strict';
import type { Clock } from '../../../commands/clock.ts';
import type { EventLog } from '../../../commands/event-log.ts';
import { type Position, START } from '../../../schemas/envelope.ts';
import { RELAY_LEASE_MS } from '../../../workers/relay-lease.ts';
import type { RelayTopics } from '../../../workers/relay-topics.ts';
import type { MemoryBroker, MemoryBrokerConnection } from '../../engines/memory-broker.ts';
import { type MemoryEventLog, memoryEventLog } from '../../engines/memory-event-log.ts';
import { enter } from '../entering.ts';
import { ENTRY, eventually } from '../projection-world.ts';
import { beginAnew, keepRelaying } from '../relay-lives.ts';
import {
  commitsThePositionApart,
  keepsItsPredecessors,
  readsBeforeItFences,
  readsToTheEndOffset,
  sendsAgainBlindly,
  sendsWatermarksFirst,
  takesAnEmptyFetchForTheEnd,
} from '../relay-twins.ts';
import { brokerFate, brokerOf, streams, truthOf, type WorldTruth } from '../relay-world.ts';
import { assertTopics } from '../relayed-truth.ts';
import { replacing } from '../replacing.ts';
import { defineRule } from '../rule.ts';
import type { Scheduler } from '../scheduler.ts';

interface Guards {
  topics(connection: MemoryBrokerConnection, clock: Clock): RelayTopics;
  log(log: EventLog, broker: MemoryBroker): EventLog;
  readonly leaseMs: number;
}

/** How soon every partition has a watermark when nothing fails and whatever is ready happens at once. */
const WATERMARK_MS = 50;

async function play(scheduler: Scheduler, guards: Guards): Promise<void> {
  const log = memoryEventLog({ clock: scheduler.clock });
  const broker = brokerOf(scheduler);
  const truth = await truthOf(log, broker);
  let broken: unknown = null;
  const check = () => {
    try {
      truth.look();
      assertTopics(truth);
    } catch (error) {
      broken ??= error;
    }
  };
  broker.onVisible(check);

  const relays = keepRelaying(scheduler, {
    log: guards.log(log, broker),
    broker,
    count: 1 + scheduler.below(2),
    mishaps: scheduler.below(4),
    leaseMs: guards.leaseMs,
    topics: guards.topics,
  });
  const fate = brokerFate(scheduler, broker, scheduler.below(4));
  const total = 3 + scheduler.below(12);
  const [deleteAt, replaceAt, loseAt, restartAt] = [0.15, 0.15, 0.05, 0.1].map((chance) =>
    scheduler.chance(chance) ? scheduler.below(total) : -1,
  );
  const still = [deleteAt, replaceAt, loseAt, restartAt].every((at) => at === -1);
  const undisturbed = () => still && relays.disturbances() + fate.disturbances() === 0;
  const late = watermarksInTime(scheduler, broker, undisturbed);
  const asksForRestart = () =>
    (truth.mayHalt() && relays.says(({ state }) => state === 'halted')) ||
    // Who was fenced while it began a generation may have left topics with another number of partitions.
    relays.says(({ problem }) => problem?.includes('partitions, not') === true);
  for (let i = 0; i < total; i++) {
    if (scheduler.chance(0.3)) await scheduler.clock.sleep(scheduler.below(1000));
    await scheduler.turn('write');
    await enter(log, scheduler, scheduler.pick(streams), ENTRY, { amount: i, poison: 'none' });
    if (i === deleteAt) truth.deleteTopic(scheduler, scheduler.pick(['keys', 'owners']));
    if (i === replaceAt) await truth.replaceLog(scheduler);
    if (i === loseAt) truth.deletePositionTopic(scheduler);
    if (i === restartAt) await beginAnew(scheduler, log, broker, relays.processes);
  }
  const over = () => broken !== null || (relays.calm() && fate.calm());
  await eventually(scheduler, over, 'no calm');
  await eventually(
    scheduler,
    () => broken !== null || isLevel(broker, log, truth) || asksForRestart(),
    'the relay neither reaches the head nor halts',
  );
  if (broken === null && !isLevel(broker, log, truth)) {
    await beginAnew(scheduler, log, broker, relays.processes);
    await enter(log, scheduler, scheduler.pick(streams), ENTRY, { amount: total, poison: 'none' });
    await eventually(
      scheduler,
      () => broken !== null || isLevel(broker, log, truth),
      'a new generation does not bring the relay back',
    );
  }
  await relays.stop();
  check();
  if (broken) throw broken;
  late();
}

/** Whether every partition of the generation that stands has been told of the log's last event. */
function isLevel(broker: MemoryBroker, log: MemoryEventLog, truth: WorldTruth): boolean {
  const record = broker.record();
  const head = log.events.at(-1)?.position ?? START;
  if (record === null || record.bookmark.position !== head || truth.isLost(record.bookmark)) return false;
  return Object.values(record.last).every((positions) => positions.every((position) => position === head));
}

/** Looks 50 ms after every batch; answers the check of what it saw. */
function watermarksInTime(
  scheduler: Scheduler,
  broker: MemoryBroker,
  undisturbed: () => boolean,
): () => void {
  let seen: Position = START;
  let late: string | null = null;
  const look = async (position: Position) => {
    await scheduler.clock.sleep(WATERMARK_MS);
    if (!undisturbed()) return;
    const record = broker.record()!;
    if (Object.values(record.last).some((positions) => positions.some((at) => at < position))) {
      late ??= `a partition has no watermark ${WATERMARK_MS} ms after the batch through ${position}`;
    }
  };
  broker.onVisible(() => {
    const position = broker.record()?.bookmark.position ?? START;
    if (!scheduler.fair || position === seen) return;
    seen = position;
    void look(position);
  });
  return () => assert.equal(late, null);
}

export const relayRule = defineRule<Guards>({
  name: 'relay',
  says: 'readers of what is committed see each partition’s events of the log in order, each once, with true predecessors and watermarks',
  guards: { topics: (connection) => connection.relayTopics(), log: (log) => log, leaseMs: RELAY_LEASE_MS },
  play,
  twins: [
    {
      name: 'the position is read before the predecessor is fenced',
      breaks: 'the predecessor commits one more batch in between, and it is sent twice',
      guards: { topics: readsBeforeItFences },
    },
    {
      name: 'the position topic is read to its end offset',
      breaks: 'the end lies behind a control record that nobody is shown: the start never ends',
      guards: { topics: readsToTheEndOffset },
    },
    {
      name: 'an empty fetch is taken for the end of the position topic',
      breaks: 'an older record is taken for the last, and its batches are sent twice',
      guards: { topics: takesAnEmptyFetchForTheEnd },
    },
    {
      name: 'the position is committed in a transaction of its own',
      breaks: 'a crash between the two sends the batch twice',
      guards: { topics: commitsThePositionApart },
    },
    {
      name: 'a batch whose outcome is unknown is sent again',
      breaks: 'where only the answer was lost it is there twice',
      guards: { topics: sendsAgainBlindly },
    },
    {
      name: 'predecessors are kept in memory over a failed commit',
      breaks: 'records name predecessors that were never written',
      guards: { topics: keepsItsPredecessors },
    },
    {
      name: 'watermarks are sent before the batch of their position',
      breaks: 'a watermark promises events that come behind it',
      guards: { topics: sendsWatermarksFirst },
    },
    {
      name: 'a lease never runs out',
      breaks: 'the standby waits for a dead relay for ever',
      guards: { leaseMs: 3_600_000 },
    },
    {
      name: 'the relay compares positions, not events',
      breaks: 'a failover that reuses positions puts two histories into one topic',
      guards: {
        log: (log, broker) =>
          replacing(log, {
            eventIdAt: async (position: Position) =>
              broker.record()?.bookmark.position === position
                ? broker.record()!.bookmark.eventId
                : log.eventIdAt(position),
          }),
      },
    },
  ],
});
