/** What the roles do, seen from outside: since when none of it has come further although there was something to do. */
import { kafkaClient } from '../../infra/kafka/kafkajs.ts';
import { positionTopic } from '../../infra/kafka/position-topic.ts';
import { systemClock } from '../../infra/system-clock.ts';
import { type Position, START } from '../../schemas/envelope.ts';
import { pause, within } from '../crash/within.ts';
import type { Cluster } from './cluster.ts';
import type { Acknowledged } from './workload.ts';

const POLL_MS = 500;
const LOOK_TIMEOUT_MS = 5_000;

export interface Standstill {
  /** On the clock of `performance`; null: it moves, or has nothing to do. */
  readonly sinceMs: { relay(): number | null; projector(): number | null };
  stop(): Promise<void>;
}

export function watchStandstill(
  { topics, stands }: Pick<Cluster, 'topics' | 'stands'>,
  acknowledged: readonly Acknowledged[],
): Standstill {
  const stop = new AbortController();
  const relay = progressOf(acknowledged);
  const projector = progressOf(acknowledged);
  const watchReadModels = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const rows = await stands().catch(() => []);
      const current = rows.filter(({ state }) => state === 'current').map(({ position }) => position);
      if (current.length > 0) projector.reached(current.sort()[0]!);
      await pause(POLL_MS);
    }
  };
  const watchTopics = async (): Promise<void> => {
    const kafka = kafkaClient({ brokers: topics.brokers, clientId: 'fault-run-watch' });
    while (!stop.signal.aborted) {
      const reader = positionTopic(kafka, topics.prefix, systemClock);
      try {
        while (!stop.signal.aborted) {
          const record = await within(LOOK_TIMEOUT_MS, 'no answer from Kafka', reader.lastRecord());
          if (record !== null) relay.reached(record.bookmark.position);
          await pause(POLL_MS);
        }
      } catch {
        await pause(POLL_MS);
      } finally {
        void reader.close().catch(() => {});
      }
    }
  };
  const watching = [watchReadModels(), watchTopics()];
  return {
    sinceMs: { relay: relay.standsStillSinceMs, projector: projector.standsStillSinceMs },
    async stop() {
      stop.abort();
      await Promise.all(watching);
    },
  };
}

/** How far something has come, against what was acknowledged. */
function progressOf(acknowledged: readonly Acknowledged[]) {
  let position: Position = START;
  let movedMs = performance.now();
  let first = 0;
  return {
    reached(to: Position): void {
      if (to === position) return;
      position = to;
      movedMs = performance.now();
    },
    standsStillSinceMs(): number | null {
      while (first < acknowledged.length && acknowledged[first]!.position <= position) first += 1;
      const waiting = acknowledged[first];
      return waiting ? Math.max(movedMs, waiting.atMs) : null;
    },
  };
}
