/**
 * Clients that verify keys all the while, at every process of the API, whichever has issued or revoked them:
 * never a wrong yes, never a wrong no, and no answer but the stated.
 */
import { type PlinthClient, PlinthClientError } from '../../clients/node/index.ts';
import { pause } from '../crash/within.ts';
import { seededRandom } from '../support/seeded-random.ts';
import type { ServedApi } from './cluster.ts';
import type { HeldKey, HeldKeys, Known } from './held-keys.ts';

export const VERIFIERS = 2;
/** What was acknowledged longer ago is known to every verify that begins now, whatever is away. */
const FRESH_MS = 5_000;
const NONE_YET_PAUSE_MS = 20;

export interface Verified {
  /** Verdicts, none of them wrong. */
  readonly judged: number;
  /** Of them those by another process than the one that has issued or revoked the key. */
  readonly elsewhere: number;
  /** Calls that were not judged: told to come again, or not answered. */
  readonly refused: number;
}

export interface Verifying {
  readonly verified: () => Verified;
  /** Throws what a client has met and must not. */
  stop(): Promise<void>;
}

export function startVerifying(
  apis: readonly ServedApi[],
  keys: HeldKeys,
  seed: number,
  thinkMs: number,
  failed: (error: Error) => void,
): Verifying {
  const stop = new AbortController();
  let [judged, elsewhere, refused] = [0, 0, 0];
  const run = async (index: number): Promise<void> => {
    const random = seededRandom(seed * VERIFIERS + index + 1_000_000);
    while (!stop.signal.aborted) {
      const key = keys.pick(random);
      if (!key) {
        await pause(NONE_YET_PAUSE_MS);
        continue;
      }
      const by = random.below(apis.length);
      if (await verifyOnce(apis[by]!.impatient, key, random.chance(0.5))) {
        judged += 1;
        if (by !== (key.revocation?.acknowledged ?? key.issued).by) elsewhere += 1;
      } else refused += 1;
      await pause(random.below(thinkMs + 1));
    }
  };
  const running = Array.from({ length: VERIFIERS }, (_, index) => run(index).catch(failed));
  return {
    verified: () => ({ judged, elsewhere, refused }),
    async stop() {
      stop.abort();
      await Promise.all(running);
    },
  };
}

/**
 * False: it was not judged. Throws when the answer contradicts what was acknowledged before.
 *
 * @param client one that does not try again by itself
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
