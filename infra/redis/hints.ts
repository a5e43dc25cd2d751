/**
 * Hints over Redis that a projection has moved. PostgreSQL's own notifications say the same, but only on a
 * connection that is a session: behind a pooler that gives connections away between transactions LISTEN
 * hears nothing, and processes would notice a change only at their next poll, 250 ms later.
 */
import type { Clock } from '../../commands/clock.ts';
import type { Hints } from '../../projections/hints.ts';
import type { RedisConnection } from './connection.ts';

const CHANNEL = 'moved';
/** However often a projection commits, messages about it come no closer together. */
const PUBLISH_GAP_MS = 5;

export function redisHints(redis: Pick<RedisConnection, 'publish' | 'subscribe'>, clock: Clock): Hints {
  const moved = new Set<string>();
  let publishing = false;

  async function publish(): Promise<void> {
    if (publishing) return;
    publishing = true;
    while (moved.size > 0) {
      const names = [...moved];
      moved.clear();
      // A hint that is lost is lost: the poll comes without it.
      await Promise.all(names.map((name) => redis.publish(CHANNEL, name).catch(() => undefined)));
      await clock.sleep(PUBLISH_GAP_MS);
    }
    publishing = false;
  }

  return {
    moved(projection) {
      moved.add(projection);
      void publish();
    },
    async listen(hint, signal) {
      if (signal.aborted) return;
      const stop = redis.subscribe(CHANNEL, (message) => hint(message));
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      stop();
    },
  };
}
