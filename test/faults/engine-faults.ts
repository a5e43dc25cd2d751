/** What happens to the engines of a cluster while it works. Each ends with the engine as it was. */
import { killPostgres } from '../crash/postgres-kill.ts';
import { pause } from '../crash/within.ts';
import type { FaultProxy } from '../support/fault-proxy.ts';
import { until } from '../support/platform-process.ts';
import type { Cluster, LogEngine, ServedApi } from './cluster.ts';
import { newGeneration } from './new-generation.ts';
import type { Slot } from './slot.ts';
import { withoutRedis } from './without-redis.ts';
import type { Workload } from './workload.ts';

export type EngineFault = (cluster: Cluster, load: Workload) => Promise<void>;

const CUT_MS = 2_000;
const SLOW_MS = 3_000;
const SHORT_HANG_MS = 2_500;
/** Held back in both directions. */
const KAFKA_DELAY_MS = 150;
const POSTGRES_DELAY_MS = 50;
/** There and back it is less than a command of Redis may take. */
const REDIS_DELAY_MS = 40;
/** Of those that give commands all may lose some of theirs. */
const LOST_ANSWERS = 20;
const TOLD_WITHIN_MS = 60_000;

export const engineFaults: Readonly<Record<string, EngineFault>> = {
  'topics begin anew': newGeneration,
  async 'kafka killed'({ kafka }) {
    await kafka.kill('SIGKILL');
    await kafka.restart();
  },
  async 'kafka hangs until relays and projectors say so'({ kafkaProxy, relays, projectors }) {
    await held(kafkaProxy, 'hang', () => untilAllSay([...relays, ...projectors], 'kafka'));
  },
  'kafka hangs shortly': ({ kafkaProxy }) => held(kafkaProxy, 'hang', () => pause(SHORT_HANG_MS)),
  'kafka cut': ({ kafkaProxy }) => held(kafkaProxy, 'cut', () => pause(CUT_MS)),
  'kafka slow': ({ kafkaProxy }) => held(kafkaProxy, KAFKA_DELAY_MS, () => pause(SLOW_MS)),
  async 'postgres killed'({ folder }) {
    // Its owner, this process, starts it again.
    await killPostgres(folder, 'server', () => 0);
  },
  async 'postgres hangs until the api says so'({ postgresProxy, apis }) {
    await held(postgresProxy, 'hang', () => untilAllSay(slotsOf(apis), 'database'));
  },
  async 'postgres cut until the api says so'({ postgresProxy, apis }) {
    await held(postgresProxy, 'cut', () => untilAllSay(slotsOf(apis), 'database'));
  },
  'postgres slow': ({ postgresProxy }) => held(postgresProxy, POSTGRES_DELAY_MS, () => pause(SLOW_MS)),
  'redis killed': ({ redis, ...cluster }, load) =>
    withoutRedis(cluster, load, { goes: () => redis.kill('SIGKILL'), comesBack: () => redis.restart() }),
  async 'redis flushed'({ redis }) {
    await redis.cli('FLUSHALL');
  },
  'redis hangs': ({ redisProxy, ...cluster }, load) =>
    withoutRedis(cluster, load, { goes: redisProxy.hang, comesBack: redisProxy.heal }),
  'redis cut': ({ redisProxy, ...cluster }, load) =>
    withoutRedis(cluster, load, { goes: redisProxy.cut, comesBack: redisProxy.heal }),
  'redis slow': ({ redisProxy }) => held(redisProxy, REDIS_DELAY_MS, () => pause(SLOW_MS)),
};

/** What the stand-in for EventStoreDB does when the log is there. It keeps what it has: it is not killed. */
export const logFaults: Readonly<Record<string, EngineFault>> = {
  'topics begin anew': newGeneration,
  'log restarted': ({ standIn }) => standIn!.restart(CUT_MS),
  async 'log hangs until the api says so'({ standIn, apis }) {
    standIn!.faults.hang = true;
    try {
      await untilAllSay(slotsOf(apis), 'log');
    } finally {
      standIn!.faults.hang = false;
    }
  },
  async 'log refuses'({ standIn }) {
    standIn!.faults.refuse = true;
    await pause(CUT_MS);
    standIn!.faults.refuse = false;
  },
  async 'log loses answers to appends'({ standIn }) {
    standIn!.faults.losesAppends = LOST_ANSWERS;
    await until('so many are lost', () => standIn!.faults.losesAppends === 0);
  },
  async 'log ends subscriptions'({ standIn }) {
    standIn!.endSubscriptions();
  },
};

/** All that may happen to the engines; where the log is not in Postgres, to the log alone. */
export function faultsOf(log: LogEngine): Readonly<Record<string, EngineFault>> {
  return log === 'postgres' ? engineFaults : logFaults;
}

function slotsOf(apis: readonly ServedApi[]): Slot[] {
  return apis.map(({ slot }) => slot);
}

async function held(
  proxy: FaultProxy,
  fault: 'hang' | 'cut' | number,
  meanwhile: () => Promise<void>,
): Promise<void> {
  if (typeof fault === 'number') proxy.slow(fault);
  else proxy[fault]();
  try {
    await meanwhile();
  } finally {
    proxy.heal();
  }
}

/** Until each of them answers that it is not ready, and why. */
async function untilAllSay(slots: readonly Slot[], check: string): Promise<void> {
  const told = async () => {
    const probes = await Promise.all(slots.map((slot) => slot.probe()));
    return probes.every(({ ready, reasons }) => ready === false && (reasons[check] ?? '') !== '');
  };
  await until(`every role says that it is not ready for want of ${check}`, told, TOLD_WITHIN_MS);
}
