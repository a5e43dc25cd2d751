/**
 * Safeguards taken out, in the harness alone: a run that does not notice them proves nothing.
 *
 * `forgetful`: a command that is sent again is another command. `unflushed`: an append is acknowledged
 * before it is on the disk.
 */
import { randomUUID } from 'node:crypto';
import { appendStatement } from '../../infra/event-log/append-call.ts';
import type { Pool, Prepared } from '../../infra/postgres/pool.ts';
import type { Order } from './messages.ts';

export const twins = ['none', 'forgetful', 'unflushed'] as const;
export type Twin = (typeof twins)[number];

export function orderOf(twin: Twin, order: Order, again: boolean): Order {
  return twin === 'forgetful' && again ? { ...order, idempotencyKey: randomUUID() } : order;
}

export function poolOf(twin: Twin, pool: Pool): Pool {
  if (twin !== 'unflushed') return pool;
  return {
    ...pool,
    query<Row extends object>(statement: string | Prepared, params?: readonly unknown[]) {
      if (statement !== appendStatement) return pool.query<Row>(statement, params);
      return pool.session(async (session) => {
        await session.query('SET synchronous_commit = off');
        const rows = await session.query<Row>(statement, params);
        await session.query('RESET synchronous_commit');
        return rows;
      });
    },
  };
}
