/**
 * What the rules of projections share: a log that writers fill, a projection that remembers of every
 * stream which versions it applied, and runners in processes that crash and freeze.
 */
import assert from 'node:assert/strict';
import type { EventLog } from '../../commands/event-log.ts';
import type { Feed } from '../../projections/feed.ts';
import type { Projection } from '../../projections/projection.ts';
import { projectionRunner } from '../../projections/runner.ts';
import type { ProjectionStore } from '../../projections/store.ts';
import type { Decoded, EventId, Recorded } from '../../schemas/envelope.ts';
import type { MemoryEventLog } from '../engines/memory-event-log.ts';
import type { MemoryProjectionDatabase } from '../engines/memory-projection-store.ts';
import type { MemoryTx } from '../engines/memory-transaction.ts';
import { keepAlive, type Lives } from './lives.ts';
import { decodePlain, plainCodec } from './plain-codec.ts';
import type { Process, Scheduler } from './scheduler.ts';

export const NAME = 'ledger';
export const ENTRY = 'ledger.entered';

/** `broken`: fails whatever the code. `bug`: fails until the code is mended. */
export type Poison = 'none' | 'bug' | 'broken';

export interface Ledger {
  readonly versions: readonly number[];
  readonly sum: number;
}

/** Rows are owned by their stream: `versions` shows what was applied, in which order, how often. */
export function ledgerProjection(mended: () => boolean): Projection<MemoryTx> {
  return {
    name: NAME,
    revision: 1,
    order: 'log',
    types: new Set([ENTRY]),
    tables: [{ name: 'ledgers', key: ['stream'] }],
    reads: 'public',
    publishesChanges: true,
    create: async () => {},
    async apply(tx, tables, events) {
      for (const event of events) {
        const { amount, poison } = event.data as { amount: number; poison: Poison };
        if (poison === 'broken' || (poison === 'bug' && !mended()))
          throw new Error(`cannot apply ${event.id}`);
        const row = ((await tx.get(tables('ledgers'), event.stream)) ?? {
          versions: [],
          sum: 0,
        }) as unknown as Ledger;
        await tx.put(tables('ledgers'), event.stream, {
          versions: [...row.versions, event.version],
          sum: row.sum + amount,
        });
      }
    },
  };
}

/** What the rows must be when exactly these events were applied. */
export function ledgersOf(
  events: readonly (Recorded | Decoded)[],
  skip: ReadonlySet<EventId> = new Set(),
): Map<string, Ledger> {
  const ledgers = new Map<string, Ledger>();
  for (const recorded of events) {
    if (recorded.type !== ENTRY || skip.has(recorded.id)) continue;
    const event = decodePlain(recorded as Recorded);
    const row = ledgers.get(event.stream) ?? { versions: [], sum: 0 };
    ledgers.set(event.stream, {
      versions: [...row.versions, event.version],
      sum: row.sum + (event.data as { amount: number }).amount,
    });
  }
  return ledgers;
}

export function rowsOf(database: MemoryProjectionDatabase): Map<string, Ledger> {
  const table = database.current(NAME)?.data.tables.get('ledgers');
  return new Map([...(table ?? [])].map(([key, row]) => [key, row as unknown as Ledger]));
}

export function assertRows(
  actual: ReadonlyMap<string, Ledger>,
  expected: ReadonlyMap<string, Ledger>,
  message: string,
): void {
  const sorted = (map: ReadonlyMap<string, Ledger>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  assert.deepEqual(sorted(actual), sorted(expected), message);
}

/** What a runner has of the world around its process. */
export interface RunnerPorts {
  readonly store: ProjectionStore<MemoryTx>;
  readonly log: EventLog;
  readonly feed: Feed | null;
}

export interface WorldOptions {
  readonly database: MemoryProjectionDatabase;
  readonly log: MemoryEventLog;
  readonly projection: Projection<MemoryTx>;
  readonly guard: (store: ProjectionStore<MemoryTx>, process: Process) => ProjectionStore<MemoryTx>;
  /** The process' client of Kafka; by default there is none. */
  readonly kafka?: (process: Process) => { readonly feed: Feed | null; crash(): void };
  readonly ports?: (ports: RunnerPorts) => RunnerPorts;
  /** How many deaths and freezes at most. */
  readonly mishaps: number;
}

/** Keeps `count` runners alive. */
export function keepRunning(scheduler: Scheduler, count: number, options: WorldOptions): Lives {
  return keepAlive(scheduler, {
    name: 'runner',
    count,
    mishaps: options.mishaps,
    begin(process) {
      const connection = options.database.connect((label) => process.turn(label));
      const kafka = options.kafka?.(process);
      const ports: RunnerPorts = {
        store: options.guard(connection, process),
        log: process.wrap(options.log as EventLog, 'log'),
        feed: kafka?.feed ?? null,
      };
      const runner = projectionRunner(
        {
          projection: options.projection,
          ...(options.ports?.(ports) ?? ports),
          decoder: plainCodec,
          clock: process.clock,
        },
        { holder: process.name, batchEvents: 1 + scheduler.below(4) },
      );
      return {
        run: runner.run,
        crash() {
          connection.crash();
          kafka?.crash();
        },
      };
    },
  });
}

/** Waits on the fake clock until it holds, for at most a minute. */
export async function eventually(scheduler: Scheduler, holds: () => boolean, message: string): Promise<void> {
  for (let waited = 0; !holds(); waited += 100) {
    assert.ok(waited < 60_000, message);
    await scheduler.clock.sleep(100);
  }
}
