/** Reads again what was told to have changed: few at once, for one deployment may change every environment. */
import type { StreamId } from '../../schemas/envelope.ts';

/** The reads that requests wait for want connections too. */
export const MAX_REFRESHES_AT_ONCE = 4;

/**
 * @param refresh never rejects
 * @returns takes streams to be refreshed; one that waits already waits once, so no more wait than are held
 */
export function refreshTold(
  refresh: (stream: StreamId) => Promise<void>,
): (streams: Iterable<StreamId>) => void {
  const waiting = new Set<StreamId>();
  let running = 0;
  const goOn = async (): Promise<void> => {
    for (const stream of waiting) {
      waiting.delete(stream);
      await refresh(stream);
    }
    running--;
  };
  return (streams) => {
    for (const stream of streams) waiting.add(stream);
    while (running < MAX_REFRESHES_AT_ONCE && waiting.size > 0) {
      running++;
      void goOn();
    }
  };
}
