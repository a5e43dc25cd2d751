/** Whether a cluster is whole again, by itself: a new command goes all the way, and every role is ready. */
import { PlinthClientError } from '../../clients/node/index.ts';
import { kafkaClient } from '../../infra/kafka/kafkajs.ts';
import { positionTopic } from '../../infra/kafka/position-topic.ts';
import { systemClock } from '../../infra/system-clock.ts';
import { pause, within } from '../crash/within.ts';
import type { Cluster, ServedApi } from './cluster.ts';
import { isContent } from './health-judge.ts';
import { verifyOnce } from './verifying.ts';
import type { Workload } from './workload.ts';

const POLL_MS = 50;
const LOOK_TIMEOUT_MS = 5_000;

export interface Recovery {
  readonly seconds: number;
  /** Each step with the seconds from the start to its end. */
  readonly steps: string;
}

/** Throws, with what the roles said last, when it takes too long. */
export async function recovers(
  cluster: Cluster,
  load: Workload,
  what: string,
  { everyRole, withinMs }: { readonly everyRole: boolean; readonly withinMs: number },
): Promise<Recovery> {
  const startedMs = performance.now();
  const endMs = startedMs + withinMs;
  const steps: string[] = [];
  let step = 'acknowledged';
  const next = (name: string | null): void => {
    steps.push(`${step} ${((performance.now() - startedMs) / 1000).toFixed(1)}`);
    if (name !== null) step = name;
  };
  const whole = async (): Promise<void> => {
    const key = await load.issue();
    const { keyId, position, token } = key;
    next('in the read model');
    await untilHolds(endMs, () => everywhere(cluster, (api) => readable(api, keyId, token)));
    next('verified');
    const judged = ({ impatient }: ServedApi) => verifyOnce(impatient, key, true);
    if (key.secret !== null) await untilHolds(endMs, () => everywhere(cluster, judged));
    next('in the topics');
    await relayed(cluster, endMs, position);
    next(everyRole ? 'every role ready' : null);
    if (!everyRole) return;
    await untilReady(cluster, endMs);
    next(null);
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
    throw new Error(`after ${what}: not ${step}: ${(error as Error).message}\n${said.join('\n')}`, {
      cause: error,
    });
  }
  return { seconds: (performance.now() - startedMs) / 1000, steps: steps.join(', ') };
}

/** Every role says that it can do its work; throws when one does not by then, on the clock of `performance`. */
export async function untilReady({ slots }: Pick<Cluster, 'slots'>, endMs: number): Promise<void> {
  await untilHolds(endMs, async () =>
    (await Promise.all(slots.map((slot) => slot.probe()))).every(isContent),
  );
}

/** None has ended but those that were killed. */
export function assertAllLive({ slots }: Pick<Cluster, 'slots'>): void {
  const ended = slots.map((slot) => slot.ownEnd()).filter((end) => end !== null);
  if (ended.length > 0) throw new Error(ended.join('\n'));
}

async function untilHolds(endMs: number, holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error('it took too long');
    await pause(POLL_MS);
  }
}

/** At every process of the API. */
async function everywhere(
  { apis }: Pick<Cluster, 'apis'>,
  holds: (api: ServedApi) => Promise<boolean>,
): Promise<boolean> {
  return (await Promise.all(apis.map(holds))).every(Boolean);
}

/** Whether the read model has the key, at the position at least. */
export async function readable(
  { client }: Pick<ServedApi, 'client'>,
  keyId: string,
  token: string,
): Promise<boolean> {
  try {
    await client.getKey(keyId, { position: token });
    return true;
  } catch (error) {
    if (error instanceof PlinthClientError) return false;
    throw error;
  }
}

/** Until the relay's record has reached it; throws when it has not by then, on the clock of `performance`. */
export async function relayed({ topics }: Cluster, endMs: number, position: string): Promise<void> {
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
