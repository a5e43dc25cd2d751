/**
 * Safeguards taken out, in the harness alone: a run that does not notice them proves nothing.
 *
 * `forgetful`: a command that is sent again is another command. `uncommitted`: an append is acknowledged
 * a moment before it is committed.
 */
import { randomUUID } from 'node:crypto';
import { appendStatement } from '../../infra/event-log/append-call.ts';
import type { Pool, Prepared } from '../../infra/postgres/pool.ts';
import type { Order } from './messages.ts';
import { pause } from './within.ts';

/** Long against an append, so that nearly every kill falls into it. */
const COMMITTED_AFTER_MS = 50;

export const twins = ['none', 'forgetful', 'uncommitted'] as const;
export type Twin = (typeof twins)[number];

export function orderOf(twin: Twin, order: Order, again: boolean): Order {
  return twin === 'forgetful' && again ? { ...order, idempotencyKey: randomUUID() } : order;
}

export function poolOf(twin: Twin, pool: Pool): Pool {
  if (twin !== 'uncommitted') return pool;
  return {
    ...pool,
    query<Row extends object>(statement: string | Prepared, params?: readonly unknown[]) {
      if (statement !== appendStatement) return pool.query<Row>(statement, params);
      return new Promise<readonly Row[]>((answer, fail) => {
        const committed = pool.transaction(async (tx) => {
          answer(await tx.query<Row>(statement, params));
          await pause(COMMITTED_AFTER_MS);
        });
        committed.catch(fail);
      });
    },
  };
}
