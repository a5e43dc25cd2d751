/** A projection that Kafka feeds: the processes that run it, who reads it, and where it should come to. */
import assert from 'node:assert/strict';
import type { Projection } from '../../projections/projection.ts';
import type { Position, StreamId } from '../../schemas/envelope.ts';
import type { MemoryBroker } from '../engines/memory-broker.ts';
import type { MemoryEventLog } from '../engines/memory-event-log.ts';
import type { MemoryProjectionDatabase } from '../engines/memory-projection-store.ts';
import { memoryReadModels } from '../engines/memory-read-models.ts';
import type { MemoryTx } from '../engines/memory-transaction.ts';
import { enter } from './entering.ts';
import { DOMAINS } from './fed-truth.ts';
import type { Lives } from './lives.ts';
import {
  ENTRY,
  keepRunning,
  type Ledger,
  ledgerProjection,
  NAME,
  type Poison,
  type RunnerPorts,
} from './projection-world.ts';
import { streams } from './relay-world.ts';
import type { Scheduler } from './scheduler.ts';

export interface FedWorld {
  readonly scheduler: Scheduler;
  readonly log: MemoryEventLog;
  readonly broker: MemoryBroker;
  readonly database: MemoryProjectionDatabase;
  readonly code: Code;
  /** To end what operators have under way: an upgrade does. */
  readonly operators: Set<() => void>;
}

/** Of the projection, as every process that starts has it. */
export interface Code {
  /** What its bug made fail no longer does. */
  mended: boolean;
}

/** What one schedule may take a safeguard out of. */
export interface FedGuards {
  /** What a projector, or who rebuilds, has of the store, the log and Kafka. */
  ports(ports: RunnerPorts, world: FedWorld): RunnerPorts;
  /** As queries see it. */
  readable(database: MemoryProjectionDatabase): MemoryProjectionDatabase;
}

export function fedProjection({ code }: FedWorld): Projection<MemoryTx> {
  return {
    ...ledgerProjection(() => code.mended),
    order: 'stream',
    domains: DOMAINS,
    publishesChanges: false,
  };
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
    readonly ports: (ports: RunnerPorts) => RunnerPorts;
  },
): Projectors {
  const { scheduler, log, broker, database } = world;
  let fed = true;
  const lives = keepRunning(scheduler, options.count, {
    database,
    log,
    projection: fedProjection(world),
    guard: (store) => store,
    kafka(process) {
      const connection = broker.connect({ turn: (label) => process.turn(label), clock: process.clock });
      return { feed: fed ? connection.feed() : null, crash: () => connection.crash() };
    },
    ports: options.ports,
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

export interface Written {
  readonly stream: StreamId;
  readonly version: number;
  readonly position: Position;
  readonly poison: Poison;
}

/** Appends an entry to one of the streams; answers where. */
export async function write(
  { scheduler, log }: FedWorld,
  {
    amount = 0,
    stream = scheduler.pick(streams),
    poison = 'none',
  }: { readonly amount?: number; readonly stream?: StreamId; readonly poison?: Poison } = {},
): Promise<Written> {
  await scheduler.turn('write');
  await enter(log, scheduler, stream, ENTRY, { amount, poison });
  const { version, position } = log.events.findLast((event) => event.stream === stream)!;
  return { stream, version, position, poison };
}

/** Reads at least through the position what was written there. */
export async function readBack(
  { scheduler }: FedWorld,
  database: MemoryProjectionDatabase,
  written: Written,
): Promise<'seen' | 'not seen' | 'parked' | 'behind'> {
  const reads = memoryReadModels(database, {
    clock: scheduler.clock,
    turn: (label) => scheduler.turn(label),
  });
  const { stream, version, position } = written;
  try {
    const { result } = await reads.read(NAME, { atLeast: position, waitMs: 1000 }, (reading) => {
      const row = reading.get('ledgers', stream) as Ledger | null;
      if (row?.versions.includes(version)) return 'seen';
      return reading.isParked(stream) ? 'parked' : 'not seen';
    });
    return result;
  } catch (error) {
    assert.notEqual((error as Error).name, 'AssertionError');
    return 'behind';
  }
}
