/** Reading what the projection store in memory holds: snapshots with their stamp, and `changes`. */
import type { Clock } from '../../commands/clock.ts';
import type { ChangesSource } from '../../projections/changes.ts';
import type { Stamp } from '../../projections/projection.ts';
import type { ReadOptions } from '../../projections/read-models.ts';
import { PlinthError } from '../../schemas/errors.ts';
import type { MemoryProjectionDatabase } from './memory-projection-store.ts';
import type { Seen } from './memory-revisions.ts';
import type { Row } from './memory-transaction.ts';

const POLL_MS = 25;

/** What a query sees: rows and parked streams of one moment. */
export interface MemoryReading {
  get(table: string, key: string): Row | null;
  isParked(stream: string): boolean;
}

type Turn = (label: string) => Promise<void>;
const noTurn: Turn = () => Promise.resolve();

export function memoryChangesSource(
  database: MemoryProjectionDatabase,
  projection: string,
  options: { readonly turn?: Turn; readonly maxRows?: number } = {},
): ChangesSource {
  const { turn = noTurn, maxRows = 1000 } = options;
  return {
    async poll(after) {
      await turn('changes.poll');
      const { stamp, halted, data } = seen(database, projection);
      const changes = data.changes.filter((change) => change.position > after);
      const answer = {
        stamp,
        halted,
        changes: changes.slice(0, maxRows),
        complete: changes.length <= maxRows,
        prunedThrough: data.prunedThrough,
      };
      await turn('changes.poll.answer');
      return answer;
    },
    async listen(hint, signal) {
      const stop = database.onCommit(hint);
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        else signal.addEventListener('abort', () => resolve(), { once: true });
      });
      stop();
    },
  };
}

export interface MemoryReadModels {
  read<R>(
    projection: string,
    options: ReadOptions,
    query: (reading: MemoryReading, stamp: Stamp) => R,
  ): Promise<{ readonly result: R; readonly stamp: Stamp }>;
}

export function memoryReadModels(
  database: MemoryProjectionDatabase,
  options: { readonly clock: Clock; readonly turn?: Turn },
): MemoryReadModels {
  const { clock, turn = noTurn } = options;
  return {
    async read(projection, { atLeast, waitMs = 2000 }, query) {
      const deadlineMs = clock.now() + waitMs;
      for (;;) {
        await turn('reads.read');
        const { stamp, halted, data } = seen(database, projection);
        if (halted !== null) throw new PlinthError('log_epoch_changed', halted);
        if (atLeast === undefined || stamp.position >= atLeast) {
          const result = query(
            {
              get: (table, key) => data.tables.get(table)?.get(key) ?? null,
              isParked: (stream) => [...data.parked.keys()].some((parked) => parked === stream),
            },
            stamp,
          );
          await turn('reads.read.answer');
          return { result, stamp };
        }
        if (clock.now() >= deadlineMs) {
          throw new PlinthError('projection_behind', `${projection} is before ${atLeast}`);
        }
        await clock.sleep(POLL_MS);
      }
    },
  };
}

function seen(database: MemoryProjectionDatabase, projection: string): Seen {
  const current = database.current(projection);
  if (!current) throw new PlinthError('unavailable', `${projection} has not been made yet`);
  return current;
}
