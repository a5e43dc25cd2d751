/** What the rules over Kafka share: a log with streams of several domains, a broker, and what befalls both. */
import { type Bookmark, type StreamId, streamId } from '../../schemas/envelope.ts';
import type { RelayRecord } from '../../workers/relay-topics.ts';
import { type MemoryBroker, memoryBroker } from '../engines/memory-broker.ts';
import type { MemoryEventLog } from '../engines/memory-event-log.ts';
import type { History, Truth } from './relayed-truth.ts';
import type { Scheduler } from './scheduler.ts';

/** Few, so that streams of one domain meet in a partition and partitions stay empty. */
export const PARTITIONS = 2;
/** Of three domains; two more have none, and live on watermarks. */
export const streams: readonly StreamId[] = [
  ...['a', 'b', 'c', 'd'].map((id) => streamId('key', id)),
  streamId('owner', 'a'),
  streamId('tenant', 'a'),
];

/** How long a new epoch may go unnoticed when whatever is ready happens at once: two silences of the log. */
const NOTICED_MS = 2_000;

export function brokerOf(scheduler: Scheduler): MemoryBroker {
  return memoryBroker({
    clock: scheduler.clock,
    turn: (label) => scheduler.turn(label),
    pick: (n) => scheduler.below(n),
  });
}

export interface BrokerFate {
  /** How often something befell the broker, or stopped doing so. */
  disturbances(): number;
  calm(): boolean;
}

/** Restarts, cut connections, lost answers and refused calls, `times` of them. */
export function brokerFate(scheduler: Scheduler, broker: MemoryBroker, times: number): BrokerFate {
  let left = times;
  let disturbances = 0;
  const befall = async () => {
    disturbances += 1;
    const what = scheduler.pick(['cut', 'away', 'lose', 'fail', 'compact'] as const);
    scheduler.note(`broker: ${what}`);
    if (what === 'cut') broker.restart();
    else if (what === 'lose') broker.loseCommits(1 + scheduler.below(2));
    else if (what === 'fail') broker.failCalls(1 + scheduler.below(3));
    else if (what === 'compact') broker.compact();
    else {
      broker.setAway(true);
      if (scheduler.chance(0.5)) broker.restart();
      await scheduler.clock.sleep(scheduler.below(5000));
      broker.setAway(false);
      disturbances += 1;
    }
  };
  const run = async () => {
    for (; left > 0; left--) {
      await scheduler.clock.sleep(scheduler.below(1500));
      for (let steps = scheduler.below(40); steps > 0; steps--) await scheduler.turn('broker fate');
      await befall();
    }
  };
  void run();
  return { disturbances: () => disturbances, calm: () => left === 0 };
}

/** The log and its past, and what was done to the topics: what they are held to. */
export interface WorldTruth extends Truth {
  /** To be called whenever more may be readable: notices that a generation has begun. */
  look(): void;
  /** Whether the bookmark is of a history that the log no longer has. */
  isLost(bookmark: Bookmark): boolean;
  /** Whether something happened that a relay may not go on after by itself. */
  mayHalt(): boolean;
  /** A failover that lost the log's tail, or a restore. */
  replaceLog(scheduler: Scheduler): Promise<void>;
  /** What `plinth log restored` does. */
  mintEpoch(): Promise<void>;
  deleteTopic(scheduler: Scheduler, domain: string): void;
  deletePositionTopic(scheduler: Scheduler): void;
}

export async function truthOf(log: MemoryEventLog, broker: MemoryBroker): Promise<WorldTruth> {
  const past: History[] = [];
  /** A new epoch is noticed a while later; nothing is lost by that where the history goes on. */
  let unnoticed: (() => History) | null = null;
  const now = async (): Promise<History> => ({ epoch: (await log.head()).epoch, events: log.events });
  let current = await now();
  const begun = new Map<number, RelayRecord>();
  const partial = new Set<string>();
  let positionLost = false;
  const isLost = ({ epoch, position, eventId }: Bookmark) =>
    epoch !== current.epoch || (log.events[Number(position) - 1]?.id ?? null) !== eventId;
  return {
    broker,
    histories: () => [current, ...past, ...(unnoticed ? [unnoticed()] : [])],
    firstOf: (generation) => begun.get(generation) ?? null,
    isWhole: (generation, { domain }) => !positionLost && !partial.has(`${domain}.${generation}`),
    look() {
      const record = broker.record();
      if (record === null) return;
      // Where nothing had been relayed, a relay that finds no position begins the same generation again.
      const again = positionLost && begun.get(record.generation)?.partitions !== record.partitions;
      if (!begun.has(record.generation) || again) begun.set(record.generation, record);
    },
    isLost,
    mayHalt() {
      const record = broker.record();
      return record === null || isLost(record.bookmark);
    },
    async replaceLog(scheduler) {
      past.push({ epoch: current.epoch, events: [...log.events] });
      log.truncateTail(scheduler.below(4));
      if (scheduler.chance(0.3)) {
        const { epoch } = current;
        const untilMs = scheduler.fair ? scheduler.now() + NOTICED_MS : Number.POSITIVE_INFINITY;
        unnoticed = () => ({ epoch, events: log.events.filter((event) => event.timeMs <= untilMs) });
        log.newEpoch();
      }
      scheduler.note(`the log is replaced from ${log.events.length + 1} on`);
      current = await now();
    },
    async mintEpoch() {
      past.push({ epoch: current.epoch, events: [...log.events] });
      log.newEpoch();
      current = await now();
    },
    deletePositionTopic(scheduler) {
      scheduler.note('the position topic is deleted');
      // With it the place where a generation began, if nobody has seen it yet.
      positionLost = true;
      broker.deletePositionTopic();
    },
    deleteTopic(scheduler, domain) {
      for (const topic of broker.topics()) {
        if (topic.domain !== domain) continue;
        scheduler.note(`${domain}.${topic.generation} is deleted`);
        partial.add(`${domain}.${topic.generation}`);
        broker.deleteTopic(topic.generation, domain);
      }
    },
  };
}
