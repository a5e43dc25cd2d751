/**
 * Clients that issue, update and revoke keys over the API, each one command after the other. A command that
 * is not answered is given again with the same `Idempotency-Key` until it is.
 */

import type { PlinthClient } from '../../clients/node/index.ts';
import { PlinthClientError } from '../../clients/node/index.ts';
import { parsePositionToken } from '../../schemas/envelope.ts';
import { pause } from '../crash/within.ts';
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts';

export const CLIENTS = 8;
const MAX_UNANSWERED_MS = 120_000;
const RETRY_PAUSE_MS = 50;
const KEYS_OF_A_CLIENT = 5;

export type Operation = 'issue' | 'update' | 'revoke';

export interface Acknowledged {
  readonly operation: Operation;
  readonly keyId: string;
  /** In the log. */
  readonly position: string;
  /** The same, as the API takes it. */
  readonly token: string;
}

export interface Workload {
  readonly acknowledged: readonly Acknowledged[];
  /** Commands that were given more than once. */
  readonly retried: () => number;
  /** Commands under way. */
  readonly inFlight: () => number;
  /** Gives one more command now and answers where it stands in the log. */
  probe(): Promise<Acknowledged>;
  /** No new commands; throws what a client failed with. */
  stop(): Promise<void>;
}

/** `thinkMs`: between two commands of a client, at most. */
export function startWorkload(client: PlinthClient, seed: number, thinkMs: number): Workload {
  const acknowledged: Acknowledged[] = [];
  const stop = new AbortController();
  let failure: Error | undefined;
  let serial = 0;
  let [retried, inFlight] = [0, 0];

  const untilAnswered = async (
    operation: Operation,
    give: (options: { idempotencyKey: string }) => Promise<{ id: string; position: string | null }>,
  ): Promise<Acknowledged> => {
    const idempotencyKey = `${operation}-${++serial}`;
    const endMs = Date.now() + MAX_UNANSWERED_MS;
    inFlight += 1;
    try {
      for (let attempt = 1; ; attempt++) {
        try {
          const { id, position } = await give({ idempotencyKey });
          if (attempt > 1) retried += 1;
          if (position === null) throw new Error(`${idempotencyKey} was acknowledged without a position`);
          const one = {
            operation,
            keyId: id,
            token: position,
            position: parsePositionToken(position)!.position,
          };
          acknowledged.push(one);
          return one;
        } catch (error) {
          if (!isPassing(error) || Date.now() > endMs) {
            throw new Error(`${idempotencyKey}: ${(error as Error).message}`, { cause: error });
          }
          await pause(RETRY_PAUSE_MS);
        }
      }
    } finally {
      inFlight -= 1;
    }
  };
  const issue = () => {
    const name = `Key ${serial}`;
    const ownerId = `owner-${serial % 50}`;
    return untilAnswered('issue', async (options) => {
      const { key, position } = await client.issueKey({ name, ownerId }, options);
      return { id: key.id, position };
    });
  };
  const run = async (random: SeededRandom): Promise<void> => {
    const keys: string[] = [];
    while (!stop.signal.aborted) {
      const dice = random.below(100);
      if (keys.length === 0 || (dice < 40 && keys.length < KEYS_OF_A_CLIENT)) {
        keys.push((await issue()).keyId);
      } else if (dice < 75) {
        const name = `Renamed ${serial}`;
        const key = random.pick(keys);
        await untilAnswered('update', (options) => client.updateKey(key, { name }, options));
      } else {
        const [key] = keys.splice(random.below(keys.length), 1);
        await untilAnswered('revoke', (options) => client.revokeKey(key!, { reason: 'lost' }, options));
      }
      await pause(random.below(thinkMs + 1));
    }
  };
  const running = Array.from({ length: CLIENTS }, (_, index) =>
    run(seededRandom(seed * CLIENTS + index)).catch((error: Error) => {
      failure ??= error;
    }),
  );
  return {
    acknowledged,
    retried: () => retried,
    inFlight: () => inFlight,
    probe() {
      if (failure) throw failure;
      return issue();
    },
    async stop() {
      stop.abort();
      await Promise.all(running);
      if (failure) throw failure;
    },
  };
}

/** No answer, or one that says to come again. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof PlinthClientError)) return false;
  const { status } = error;
  return status === null || status >= 500 || status === 429 || status === 408;
}
