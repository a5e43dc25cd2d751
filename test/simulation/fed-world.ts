/** A projection that Kafka feeds: the processes that run it, who reads it, and where it should come to. */
import assert from 'node:assert/strict';
import type { EventLog } from '../../commands/event-log.ts';
import { adoptEpoch } from '../../projections/adopt-epoch.ts';
import type { Projection } from '../../projections/projection.ts';
import { rebuildProjection } from '../../projections/rebuild.ts';
import { type Position, START, type StreamId } from '../../schemas/envelope.ts';
import type { MemoryBroker } from '../engines/memory-broker.ts';
import type { MemoryEventLog } from '../engines/memory-event-log.ts';
import type { MemoryProjectionDatabase } from '../engines/memory-projection-store.ts';
import { memoryReadModels } from '../engines/memory-read-models.ts';
import type { MemoryTx } from '../engines/memory-transaction.ts';
import { DOMAINS } from './fed-truth.ts';
import type { Lives } from './lives.ts';
import { plainCodec } from './plain-codec.ts';
import {
  ENTRY,
  enter,
  keepRunning,
  type Ledger,
  ledgerProjection,
  NAME,
  type RunnerPorts,
} from './projection-world.ts';
import { streams } from './relay-world.ts';
import type { Scheduler } from './scheduler.ts';

export const fedProjection: Projection<MemoryTx> = {
  ...ledgerProjection(() => true),
  order: 'stream',
  domains: DOMAINS,
  publishesChanges: false,
};

export interface FedWorld {
  readonly scheduler: Scheduler;
  readonly log: MemoryEventLog;
  readonly broker: MemoryBroker;
  readonly database: MemoryProjectionDatabase;
}

export interface Projectors extends Lives {
  /** Whether the processes that start from now on have Kafka; those that run go on as they are. */
  configure(kafka: boolean): void;
  /** Whether every process that runs was started with what is configured. */
  readonly fed: boolean;
}

export function keepProjecting(
  world: FedWorld,
  options: {
    readonly count: number;
    readonly mishaps: number;
    readonly ports: (ports: RunnerPorts, world: FedWorld) => RunnerPorts;
  },
): Projectors {
  const { scheduler, log, broker, database } = world;
  let fed = true;
  const lives = keepRunning(scheduler, options.count, {
    database,
    log,
    projection: fedProjection,
    guard: (store) => store,
    kafka(process) {
      const connection = broker.connect({ turn: (label) => process.turn(label), clock: process.clock });
      return { feed: fed ? connection.feed() : null, crash: () => connection.crash() };
    },
    ports: (ports) => options.ports(ports, world),
    mishaps: options.mishaps,
  });
  return {
    ...lives,
    configure(kafka) {
      fed = kafka;
    },
    get fed() {
      return fed;
    },
  };
}

/** Appends an entry to one of the streams; answers where. */
export async function write(
  { scheduler, log }: FedWorld,
  amount: number,
  stream: StreamId = scheduler.pick(streams),
): Promise<{ readonly stream: StreamId; readonly version: number; readonly position: Position }> {
  await scheduler.turn('write');
  await enter(log, scheduler, stream, ENTRY, { amount, poison: 'none' });
  const { version, position } = log.events.findLast((event) => event.stream === stream)!;
  return { stream, version, position };
}

/** Reads at least through the position what was written there. */
export async function readBack(
  { scheduler }: FedWorld,
  database: MemoryProjectionDatabase,
  written: Awaited<ReturnType<typeof write>>,
): Promise<'seen' | 'not seen' | 'behind'> {
  const reads = memoryReadModels(database, {
    clock: scheduler.clock,
    turn: (label) => scheduler.turn(label),
  });
  const { stream, version, position } = written;
  try {
    const { result } = await reads.read(NAME, { atLeast: position, waitMs: 1000 }, (reading) => {
      const row = reading.get('ledgers', stream) as Ledger | null;
      return row?.versions.includes(version) === true;
    });
    return result ? 'seen' : 'not seen';
  } catch (error) {
    assert.notEqual((error as Error).name, 'AssertionError');
    return 'behind';
  }
}

/** Everything that was written is applied, and by the way that is configured. */
export function isLevel({ log, broker, database }: FedWorld, fed: boolean): boolean {
  const seen = database.current(NAME);
  if (seen === null || seen.halted !== null) return false;
  if (seen.stamp.position !== (log.events.at(-1)?.position ?? START)) return false;
  return fed ? seen.feed?.generation === broker.record()?.generation : seen.feed === null;
}

/** Whether one of its topics is away: the relay makes it anew when it has something for it. */
export function lacksTopics({ broker }: FedWorld): boolean {
  const standing = broker.record()?.generation;
  const stands = (domain: string) =>
    broker.topics().some((topic) => topic.domain === domain && topic.generation === standing);
  return !DOMAINS.every(stands);
}

/** What an operator does who finds the projection halted. */
export async function bringBack(world: FedWorld, mintEpoch: () => Promise<void>): Promise<void> {
  const { scheduler, log, database } = world;
  const operator = scheduler.process('operator');
  const store = database.connect((label) => operator.turn(label));
  const seen = operator.wrap(log as EventLog, 'log');
  const adopted = await adoptEpoch(store, seen, NAME);
  if (adopted.ok) return;
  // Within one epoch a rebuild would have to come as far as what the log has lost.
  await mintEpoch();
  await rebuildProjection(
    { projection: fedProjection, store, log: seen, decoder: plainCodec, clock: operator.clock },
    { holder: 'operator', signal: new AbortController().signal },
  );
}
