/** What happens to the engines of a cluster while it works. Each ends with the engine as it was. */
import { killPostgres } from '../crash/postgres-kill.ts';
import { pause } from '../crash/within.ts';
import type { FaultProxy } from '../support/fault-proxy.ts';
import { until } from '../support/platform-process.ts';
import type { Cluster, LogEngine } from './cluster.ts';
import type { HealthWatch } from './health-watch.ts';
import { newGeneration } from './new-generation.ts';
import { type Away, outage } from './outage.ts';
import { withoutRedis } from './without-redis.ts';
import type { Workload } from './workload.ts';

/** Its name is the one under which the table of health says what is true meanwhile. */
export type EngineFault = (cluster: Cluster, load: Workload, watch: HealthWatch) => Promise<void>;

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

export const engineFaults: Readonly<Record<string, EngineFault>> = {
  'topics begin anew': newGeneration,
  'kafka killed': ({ kafka }, _load, watch) =>
    outage(watch, { goes: () => kafka.kill('SIGKILL'), comesBack: () => kafka.restart() }),
  'kafka hangs': ({ kafkaProxy }, _load, watch) => outage(watch, hanging(kafkaProxy)),
  'kafka hangs shortly': ({ kafkaProxy }) => held(kafkaProxy, kafkaProxy.hang, SHORT_HANG_MS),
  'kafka cut': ({ kafkaProxy }, _load, watch) => outage(watch, cut(kafkaProxy)),
  'kafka slow': ({ kafkaProxy }) => held(kafkaProxy, () => kafkaProxy.slow(KAFKA_DELAY_MS), SLOW_MS),
  async 'postgres killed'({ folder }) {
    // Its owner, this process, starts it again.
    await killPostgres(folder, 'server', () => 0);
  },
  'postgres hangs': ({ postgresProxy }, _load, watch) => outage(watch, hanging(postgresProxy)),
  'postgres cut': ({ postgresProxy }, _load, watch) => outage(watch, cut(postgresProxy)),
  'postgres slow': ({ postgresProxy }) =>
    held(postgresProxy, () => postgresProxy.slow(POSTGRES_DELAY_MS), SLOW_MS),
  'redis killed': ({ redis, ...cluster }, load, watch) =>
    withoutRedis(cluster, load, watch, {
      goes: () => redis.kill('SIGKILL'),
      comesBack: () => redis.restart(),
    }),
  async 'redis flushed'({ redis }) {
    await redis.cli('FLUSHALL');
  },
  'redis hangs': ({ redisProxy, ...cluster }, load, watch) =>
    withoutRedis(cluster, load, watch, hanging(redisProxy)),
  'redis cut': ({ redisProxy, ...cluster }, load, watch) =>
    withoutRedis(cluster, load, watch, cut(redisProxy)),
  'redis slow': ({ redisProxy }) => held(redisProxy, () => redisProxy.slow(REDIS_DELAY_MS), SLOW_MS),
};

/** What the stand-in for EventStoreDB does when the log is there. It keeps what it has: it is not killed. */
export const logFaults: Readonly<Record<string, EngineFault>> = {
  'topics begin anew': newGeneration,
  'log restarted': ({ standIn }) => standIn!.restart(CUT_MS),
  'log hangs': ({ standIn }, _load, watch) => outage(watch, switched(standIn!.faults, 'hang')),
  'log refuses': ({ standIn }, _load, watch) => outage(watch, switched(standIn!.faults, 'refuse')),
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

function hanging({ hang, heal }: FaultProxy): Away {
  return { goes: hang, comesBack: heal };
}

function cut({ cut, heal }: FaultProxy): Away {
  return { goes: cut, comesBack: heal };
}

function switched<Fault extends string>(faults: Record<Fault, boolean>, fault: Fault): Away {
  return {
    goes() {
      faults[fault] = true;
    },
    comesBack() {
      faults[fault] = false;
    },
  };
}

/** Too short, or too little, to be told. */
async function held({ heal }: FaultProxy, begins: () => void, forMs: number): Promise<void> {
  begins();
  try {
    await pause(forMs);
  } finally {
    heal();
  }
}
