/**
 * Clients that issue, update and revoke keys over the API, each one command after the other, and others that
 * verify them. A command that is not answered is given again with the same `Idempotency-Key` until it is, to
 * one process of the API and then to the next.
 */
import type { PlinthClient } from '../../clients/node/index.ts';
import { PlinthClientError } from '../../clients/node/index.ts';
import { parsePositionToken } from '../../schemas/envelope.ts';
import { pause } from '../crash/within.ts';
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts';
import type { ServedApi } from './cluster.ts';
import { type HeldKey, HeldKeys, type Known } from './held-keys.ts';
import { RefusalsByApi } from './refusals.ts';
import { startVerifying, type Verified } from './verifying.ts';

export const CLIENTS = 8;
const MAX_UNANSWERED_MS = 120_000;
const RETRY_PAUSE_MS = 50;
const KEYS_OF_A_CLIENT = 5;
/** Nothing is denied for it; it makes every verify ask the limiter. */
const LIMIT = { name: 'burst', limit: 1_000_000, windowSeconds: 60 };

export type Operation = 'issue' | 'update' | 'revoke';

export interface Acknowledged {
  readonly operation: Operation;
  readonly keyId: string;
  /** In the log. */
  readonly position: string;
  /** The same, as the API takes it. */
  readonly token: string;
  /** Of the processes of the API the one that answered. */
  readonly by: number;
  /** When that was heard, on the clock of `performance`. */
  readonly atMs: number;
}

export interface Workload {
  readonly acknowledged: readonly Acknowledged[];
  /** Commands that were given more than once. */
  readonly retried: () => number;
  readonly verified: () => Verified;
  readonly refusals: RefusalsByApi;
  /** One more command, given now; throws when a client has failed. */
  issue(): Promise<HeldKey & Acknowledged>;
  rename(key: HeldKey): Promise<Acknowledged>;
  revoke(key: HeldKey): Promise<Acknowledged>;
  /** No new commands; throws what a client failed with. */
  stop(): Promise<void>;
}

export interface WorkloadOptions {
  readonly apis: readonly ServedApi[];
  readonly seed: number;
  /** Between two commands of a client, at most. */
  readonly thinkMs: number;
}

export function startWorkload({ apis, seed, thinkMs }: WorkloadOptions): Workload {
  const acknowledged: Acknowledged[] = [];
  const stop = new AbortController();
  let failure: Error | undefined;
  const held = new HeldKeys();
  const refusals = new RefusalsByApi();
  let serial = 0;
  let retried = 0;

  const untilAnswered = async (
    operation: Operation,
    give: (
      client: PlinthClient,
      options: { idempotencyKey: string },
    ) => Promise<{ id: string; position: string | null }>,
  ): Promise<Acknowledged> => {
    const turn = ++serial;
    const idempotencyKey = `${operation}-${turn}`;
    const endMs = Date.now() + MAX_UNANSWERED_MS;
    for (let attempt = 1; ; attempt++) {
      const by = (turn + attempt) % apis.length;
      const beganMs = performance.now();
      try {
        const { id, position } = await give(apis[by]!.client, { idempotencyKey });
        if (attempt > 1) retried += 1;
        if (position === null) throw new Error(`${idempotencyKey} was acknowledged without a position`);
        const one = {
          operation,
          keyId: id,
          token: position,
          position: parsePositionToken(position)!.position,
          by,
          atMs: performance.now(),
        };
        acknowledged.push(one);
        refusals.went(by);
        return one;
      } catch (error) {
        if (!isPassing(error) || Date.now() > endMs) {
          throw new Error(`${idempotencyKey}: ${(error as Error).message}`, { cause: error });
        }
        refusals.failed(by, beganMs);
        await pause(RETRY_PAUSE_MS);
      }
    }
  };
  const issue = async (): Promise<HeldKey & Acknowledged> => {
    const name = `Key ${serial}`;
    const ownerId = `owner-${serial % 50}`;
    let secret: string | null = null;
    const one = await untilAnswered('issue', async (client, options) => {
      const issued = await client.issueKey({ name, ownerId, limits: [LIMIT] }, options);
      secret = issued.secret;
      return { id: issued.key.id, position: issued.position };
    });
    const key = { ...one, secret, issued: knownOf(one), revocation: null };
    held.add(key);
    return key;
  };
  const rename = ({ keyId }: HeldKey): Promise<Acknowledged> => {
    const name = `Renamed ${serial}`;
    return untilAnswered('update', (client, options) => client.updateKey(keyId, { name }, options));
  };
  const revoke = async (key: HeldKey): Promise<Acknowledged> => {
    const { keyId } = key;
    key.revocation = { acknowledged: null };
    const one = await untilAnswered('revoke', (client, options) =>
      client.revokeKey(keyId, { reason: 'lost' }, options),
    );
    key.revocation = { acknowledged: knownOf(one) };
    held.moved(key);
    return one;
  };
  const run = async (random: SeededRandom): Promise<void> => {
    const keys: HeldKey[] = [];
    while (!stop.signal.aborted) {
      const dice = random.below(100);
      if (keys.length === 0 || (dice < 40 && keys.length < KEYS_OF_A_CLIENT)) {
        keys.push(await issue());
      } else if (dice < 75) {
        await rename(random.pick(keys));
      } else {
        await revoke(keys.splice(random.below(keys.length), 1)[0]!);
      }
      await pause(random.below(thinkMs + 1));
    }
  };
  const failed = (error: Error): void => {
    failure ??= error;
  };
  const running = Array.from({ length: CLIENTS }, (_, index) =>
    run(seededRandom(seed * CLIENTS + index)).catch(failed),
  );
  const verifying = startVerifying(apis, held, seed, thinkMs, failed);
  return {
    acknowledged,
    retried: () => retried,
    verified: verifying.verified,
    refusals,
    issue() {
      if (failure) throw failure;
      return issue();
    },
    rename,
    revoke,
    async stop() {
      stop.abort();
      await Promise.all([...running, verifying.stop()]);
      if (failure) throw failure;
    },
  };
}

function knownOf({ token, by, atMs }: Acknowledged): Known {
  return { token, by, atMs };
}

/** No answer, or one that says to come again. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof PlinthClientError)) return false;
  const { status } = error;
  return status === null || status === 503 || status === 429 || status === 408;
}
