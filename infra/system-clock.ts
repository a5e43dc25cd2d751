/** The time and the chance of this machine. */
import { randomBytes } from 'node:crypto';
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

export const systemRandom: Random = { bytes: (length) => randomBytes(length) };
