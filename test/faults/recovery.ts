/** Whether a cluster is whole again, by itself: a new command goes all the way, and every role is ready. */
import { PlinthClientError } from '../../clients/node/index.ts';
import { kafkaClient } from '../../infra/kafka/kafkajs.ts';
import { positionTopic } from '../../infra/kafka/position-topic.ts';
import { systemClock } from '../../infra/system-clock.ts';
import { pause, within } from '../crash/within.ts';
import type { Cluster } from './cluster.ts';
import type { Workload } from './workload.ts';

const POLL_MS = 50;
const LOOK_TIMEOUT_MS = 5_000;

/** Answers after how many seconds. Throws, with what the roles said last, when it takes too long. */
export async function recovers(
  cluster: Cluster,
  load: Workload,
  what: string,
  { everyRole, withinMs }: { readonly everyRole: boolean; readonly withinMs: number },
): Promise<number> {
  const startedMs = performance.now();
  const endMs = startedMs + withinMs;
  let step = 'a command is acknowledged';
  const whole = async (): Promise<void> => {
    const { keyId, position, token } = await load.probe();
    step = 'the command is in the read model';
    await untilHolds(endMs, () => readable(cluster, keyId, token));
    step = 'the command is in the topics';
    await relayed(cluster, endMs, position);
    if (!everyRole) return;
    step = 'every role is ready';
    await untilHolds(endMs, async () =>
      (await Promise.all(cluster.slots.map((slot) => slot.probe()))).every(({ ready }) => ready === true),
    );
  };
  try {
    assertAllLive(cluster);
    await within(withinMs + LOOK_TIMEOUT_MS, 'it took too long', whole());
    assertAllLive(cluster);
  } catch (error) {
    const said = await Promise.all(
      cluster.slots.map(async (slot) => {
        const { ready, reasons } = await slot.probe();
        return `--- ${slot.role} ready: ${ready} ${JSON.stringify(reasons)}\n${slot.said()}`;
      }),
    );
    throw new Error(`after ${what}: ${step}: ${(error as Error).message}\n${said.join('\n')}`, {
      cause: error,
    });
  }
  return (performance.now() - startedMs) / 1000;
}

/** None has ended but those that were killed. */
export function assertAllLive({ slots }: Pick<Cluster, 'slots'>): void {
  const ended = slots.map((slot) => slot.ownEnd()).filter((end) => end !== null);
  if (ended.length > 0) throw new Error(ended.join('\n'));
}

async function untilHolds(endMs: number, holds: () => Promise<boolean>): Promise<void> {
  while (performance.now() < endMs && !(await holds())) await pause(POLL_MS);
}

async function readable({ client }: Cluster, keyId: string, token: string): Promise<boolean> {
  try {
    await client.getKey(keyId, { position: token });
    return true;
  } catch (error) {
    if (error instanceof PlinthClientError) return false;
    throw error;
  }
}

/** Until the relay's record has reached it. */
async function relayed({ topics }: Cluster, endMs: number, position: string): Promise<void> {
  const kafka = kafkaClient({ brokers: topics.brokers, clientId: 'fault-run' });
  let seen = 'nothing';
  while (performance.now() < endMs) {
    const reader = positionTopic(kafka, topics.prefix, systemClock);
    try {
      while (performance.now() < endMs) {
        const record = await within(LOOK_TIMEOUT_MS, 'no answer from Kafka', reader.lastRecord());
        if (record !== null && record.bookmark.position >= position) return;
        seen = record?.bookmark.position ?? 'no record';
        await pause(POLL_MS);
      }
    } catch (error) {
      seen = (error as Error).message;
      await pause(POLL_MS);
    } finally {
      void reader.close().catch(() => {});
    }
  }
  throw new Error(`the relay was to reach ${position}, and last seen was: ${seen}`);
}
