/** The time and the chance of this machine. */
import { randomBytes, randomFillSync } from 'node:crypto';
import type { Clock, Random } from '../commands/clock.ts';

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep(ms, signal) {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal?.addEventListener('abort', done, { once: true });
    });
  },
};

/** Bytes drawn from the operating system at a time: a draw costs 2 µs however few it is of. */
const POOL_BYTES = 4_096;
/** More than this is drawn for itself. */
const MAX_POOLED_BYTES = 256;

const pool = new Uint8Array(POOL_BYTES);
let used = POOL_BYTES;

export const systemRandom: Random = {
  bytes(length) {
    if (length > MAX_POOLED_BYTES) return randomBytes(length);
    if (used + length > POOL_BYTES) {
      randomFillSync(pool);
      used = 0;
    }
    // A copy, and nothing of it stays behind: it may be a secret.
    const bytes = pool.slice(used, used + length);
    pool.fill(0, used, used + length);
    used += length;
    return bytes;
  },
};
