/** Clients that verify keys all the while: never a wrong yes, never a wrong no, and no answer but the stated. */
import { type PlinthClient, PlinthClientError } from '../../clients/node/index.ts';
import { pause } from '../crash/within.ts';
import { seededRandom } from '../support/seeded-random.ts';
import type { HeldKey, HeldKeys, Known } from './held-keys.ts';

export const VERIFIERS = 2;
/** What was acknowledged longer ago is known to every verify that begins now, whatever is away. */
const FRESH_MS = 5_000;
const NONE_YET_PAUSE_MS = 20;

export interface Verifying {
  /** Verdicts. */
  readonly judged: () => number;
  /** Calls that were not judged: told to come again, or not answered. */
  readonly refused: () => number;
  /** Throws what a client has met and must not. */
  stop(): Promise<void>;
}

/** `client`: one that does not try again by itself. */
export function startVerifying(
  client: PlinthClient,
  keys: HeldKeys,
  seed: number,
  thinkMs: number,
  failed: (error: Error) => void,
): Verifying {
  const stop = new AbortController();
  let [judged, refused] = [0, 0];
  const run = async (index: number): Promise<void> => {
    const random = seededRandom(seed * VERIFIERS + index + 1_000_000);
    while (!stop.signal.aborted) {
      const key = keys.pick(random);
      if (!key) {
        await pause(NONE_YET_PAUSE_MS);
        continue;
      }
      if (await verifyOnce(client, key, random.chance(0.5))) judged += 1;
      else refused += 1;
      await pause(random.below(thinkMs + 1));
    }
  };
  const running = Array.from({ length: VERIFIERS }, (_, index) => run(index).catch(failed));
  return {
    judged: () => judged,
    refused: () => refused,
    async stop() {
      stop.abort();
      await Promise.all(running);
    },
  };
}

/**
 * False: it was not judged. Throws when the answer contradicts what was acknowledged before.
 *
 * @param asks for the position of what is known last, so that it holds at once
 */
export async function verifyOnce(client: PlinthClient, key: HeldKey, asks: boolean): Promise<boolean> {
  const revoked = key.revocation?.acknowledged ?? null;
  const startedMs = performance.now();
  const binds = (known: Known) => asks || startedMs - known.atMs > FRESH_MS;
  const options = asks ? { position: (revoked ?? key.issued).token } : {};
  let verdict: Awaited<ReturnType<PlinthClient['verify']>>;
  try {
    verdict = await client.verify({ key: key.secret! }, options);
  } catch (error) {
    if (error instanceof PlinthClientError && (error.status === null || error.status === 503)) return false;
    throw new Error(`verify of ${key.keyId}: ${(error as Error).message}`, { cause: error });
  }
  const told = `verify of ${key.keyId} answered ${verdict.code}`;
  if (revoked !== null && verdict.valid && binds(revoked)) {
    throw new Error(`${told}, ${Math.round(startedMs - revoked.atMs)} ms after its revocation`);
  }
  if (key.revocation === null && !verdict.valid && binds(key.issued)) {
    throw new Error(`${told}, and nobody has revoked it`);
  }
  return true;
}
