/** The ports of the product with points to die at around them: what is inside is the product's own. */
import type { DataKeys } from '../../commands/data-keys.ts';
import type { EventLog } from '../../commands/event-log.ts';
import { appendStatement } from '../../infra/event-log/append-call.ts';
import type { Pool, Prepared } from '../../infra/postgres/pool.ts';
import type { Tx } from '../../projections/projection.ts';
import type { ProjectionStore } from '../../projections/store.ts';
import type { KillSwitch } from './kill-points.ts';

/** Counts the appends that were answered together: more than one came out of one coalesced call. */
export interface AnsweredTogether {
  one(): void;
  count(): number;
}

export function answeredTogether(): AnsweredTogether {
  let count = 0;
  return {
    one() {
      if (count === 0) {
        setImmediate(() => {
          count = 0;
        });
      }
      count += 1;
    },
    count: () => count,
  };
}

export function lethalLog<L extends EventLog>(log: L, kill: KillSwitch, together: AnsweredTogether): L {
  return {
    ...log,
    async append(stream, expected, events) {
      kill.reach('before-append');
      const answer = await log.append(stream, expected, events);
      if (answer.ok) {
        together.one();
        kill.reach('after-append');
      }
      return answer;
    },
  } satisfies EventLog as L;
}

export function lethalPool(pool: Pool, kill: KillSwitch): Pool {
  return {
    ...pool,
    query<Row extends object>(statement: string | Prepared, params?: readonly unknown[]) {
      const answer = pool.query<Row>(statement, params);
      // The first parameter lists the members' streams.
      const members = statement === appendStatement ? String(params?.[0]).split(',').length : 0;
      if (members > 1) kill.reachSoon('batch-sent');
      return answer;
    },
  };
}

export function lethalDataKeys<K extends DataKeys>(dataKeys: K, kill: KillSwitch): K {
  const known = new Set<string>();
  return {
    ...dataKeys,
    async active(tenant, subject) {
      const key = await dataKeys.active(tenant, subject);
      if (!known.has(key.keyId)) kill.reach('after-data-key');
      known.add(key.keyId);
      return key;
    },
  } satisfies DataKeys as K;
}

export function lethalStore(store: ProjectionStore<Tx>, kill: KillSwitch): ProjectionStore<Tx> {
  return {
    ...store,
    async advance(lease, from, to, work) {
      if (work === null) return store.advance(lease, from, to, work);
      kill.reach('projection-before-compare-and-set');
      await store.advance(lease, from, to, async (advance) => {
        kill.reach('projection-after-compare-and-set');
        const tx: Tx = {
          async query<Row extends object>(sql: string, params?: readonly unknown[]) {
            const rows = await advance.tx.query<Row>(sql, params);
            kill.reach('projection-between-statements');
            return rows;
          },
        };
        await work({ ...advance, tx });
        kill.reach('projection-before-commit');
        kill.reach('shutdown-projecting');
      });
      kill.reach('projection-after-commit');
    },
  };
}
