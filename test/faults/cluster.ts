/** Every role in processes of its own, on a Kafka, a Redis and a Postgres of their own, each behind a fault proxy. */
import { join } from 'node:path';
import { PlinthClient } from '../../clients/node/index.ts';
import { startEmbeddedPostgres } from '../../infra/embedded/embedded-postgres.ts';
import { createPool } from '../../infra/postgres/pool.ts';
import { projectionCatalogue } from '../../projections/catalogue.ts';
import { type Position, START } from '../../schemas/envelope.ts';
import { within } from '../crash/within.ts';
import { type EventStoreStandIn, startEventStoreStandIn } from '../eventstore/stand-in.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { freePort } from '../support/free-port.ts';
import { type KafkaServer, ownKafka } from '../support/kafka-server.ts';
import { adminKey, dataFolder, embedded, type RoleName, until } from '../support/platform-process.ts';
import type { Cleanup } from '../support/postgres.ts';
import { ownRedis, type RedisServer } from '../support/redis-server.ts';
import { type Slot, slot } from './slot.ts';

export const PARTITIONS = 3;
const PREFIX = 'faults';
const START_WITHIN_MS = 90_000;
const CONNECTIONS = '6';
const LOOK_TIMEOUT_MS = 5_000;
const STANDS = 'SELECT projection, state, "position", generation FROM plinth.progress';

/** `eventstore`: the stand-in, in this process. */
export type LogEngine = 'postgres' | 'eventstore';

/** A process that serves the API, and clients of it. */
export interface ServedApi {
  readonly slot: Slot;
  readonly client: PlinthClient;
  /** The same, and it does not try again by itself. */
  readonly impatient: PlinthClient;
}

/** A generation of topics, and where in the log it begins. */
export interface BegunGeneration {
  readonly generation: number;
  readonly partitions: number;
  readonly begin: Position;
}

/** Where a revision of a read model is. */
export interface Stand {
  readonly projection: string;
  readonly state: string;
  readonly position: Position;
  /** Of the topics that feed it; null: it follows the log. */
  readonly generation: number | null;
}

export interface Cluster {
  readonly apis: readonly ServedApi[];
  readonly adminKey: string;
  readonly relays: readonly Slot[];
  readonly projectors: readonly Slot[];
  readonly slots: readonly Slot[];
  readonly kafka: KafkaServer;
  readonly kafkaProxy: FaultProxy;
  readonly redis: RedisServer;
  readonly redisProxy: FaultProxy;
  readonly postgresProxy: FaultProxy;
  /** Of the Postgres server's own folder, and of the roles. */
  readonly folder: string;
  /** Of the read models, past the proxy. */
  readonly databaseUrl: string;
  /** Of the log, past the proxy. */
  readonly logUrl: string;
  /** Null: the log is in Postgres. */
  readonly standIn: EventStoreStandIn | null;
  readonly topics: {
    readonly brokers: readonly string[];
    readonly prefix: string;
    /** In their order; the last one stands. */
    readonly generations: BegunGeneration[];
  };
  /** Settings of all roles, for verbs of the command line. */
  readonly env: Readonly<Record<string, string>>;
  /** Where each revision of a read model is, past the proxy. */
  stands(): Promise<readonly Stand[]>;
  workingRelay(): Slot | undefined;
  activeProjector(): Slot | undefined;
}

export interface ClusterOptions {
  readonly log: LogEngine;
  /** Begins the relays, and may do to the projectors what is to happen when the first relay works. */
  readonly joining?: (projectors: readonly Slot[], begin: () => Promise<unknown>) => Promise<unknown>;
}

/** `t`: cleaned up in the reverse order, please. */
export async function startCluster(t: Cleanup, options: ClusterOptions): Promise<Cluster> {
  const folder = await dataFolder(t);
  const kafkaPort = await freePort();
  const kafkaProxy = await startFaultProxy(t, { port: kafkaPort });
  const [kafka, redis, postgres] = await Promise.all([
    ownKafka(t, { port: kafkaPort, advertisedPort: kafkaProxy.port }),
    ownRedis(t),
    startEmbeddedPostgres({ dataDir: join(folder, 'postgres') }),
  ]);
  t.after(() => postgres.stop());
  const pool = createPool({
    connectionString: postgres.url,
    applicationName: 'fault run',
    maxConnections: 2,
    answerTimeoutMs: LOOK_TIMEOUT_MS,
  });
  t.after(() => pool.close());
  const redisProxy = await startFaultProxy(t, { port: redis.port });
  const proxied = new URL(postgres.url);
  const postgresProxy = await startFaultProxy(t, { port: Number(proxied.port) });
  proxied.port = String(postgresProxy.port);
  const standIn = options.log === 'eventstore' ? await startEventStoreStandIn() : null;
  if (standIn) t.after(() => standIn.close());
  const brokers = [`127.0.0.1:${kafkaProxy.port}`];
  const env = embedded(folder, {
    DATABASE_URL: proxied.href,
    ...(standIn && { EVENT_LOG_URL: standIn.url }),
    PLINTH_DATABASE_CONNECTIONS: CONNECTIONS,
    REDIS_URL: `redis://127.0.0.1:${redisProxy.port}`,
    KAFKA_BROKERS: brokers.join(','),
    KAFKA_TOPIC_PREFIX: PREFIX,
    KAFKA_PARTITIONS: String(PARTITIONS),
    // What each start compiles, the next need not.
    NODE_COMPILE_CACHE: join(folder, 'compiled'),
  });
  const slots: Slot[] = [];
  t.after(() => Promise.all(slots.map((each) => each.kill())));
  const begin = async (role: RoleName): Promise<Slot> => {
    const port = await freePort();
    const where = role === 'api' ? 'PLINTH_PORT' : 'PLINTH_HEALTH_PORT';
    // Only what is said at `debug` tells which of two works.
    const level = role === 'api' || role === 'scheduler' ? 'warn' : 'debug';
    const each = slot(role, port, folder, { ...env, [where]: String(port), PLINTH_LOG_LEVEL: level });
    slots.push(each);
    return each;
  };
  const there = (some: readonly Slot[]) =>
    until(
      'the cluster is ready',
      async () => {
        for (const each of some) if (each.ownEnd() !== null) throw new Error(each.ownEnd()!);
        return (await Promise.all(some.map((each) => each.probe()))).every(({ ready }) => ready);
      },
      START_WITHIN_MS,
    );
  const served = [await begin('api')];
  // The first makes the tables and the admin key.
  await there(served);
  served.push(await begin('api'));
  const projectors = [await begin('projector'), await begin('projector')];
  await begin('scheduler');
  await there(slots);
  const relays: Slot[] = [];
  const beginRelays = async () => {
    relays.push(await begin('relay'), await begin('relay'));
  };
  await (options.joining ?? ((_, none) => none()))(projectors, beginRelays);
  await there(slots);

  const key = await within(START_WITHIN_MS, 'no admin key', adminKey(folder));
  const apis = served.map((each): ServedApi => {
    const at = { url: each.url, key, deadlineMs: 4_000, attemptTimeoutMs: 2_000 };
    return {
      slot: each,
      client: new PlinthClient(at),
      impatient: new PlinthClient({ ...at, maxAttempts: 1 }),
    };
  });
  const works = ['live', 'catching_up'];
  return {
    apis,
    adminKey: key,
    relays,
    projectors,
    slots,
    kafka,
    kafkaProxy,
    redis,
    redisProxy,
    postgresProxy,
    folder,
    databaseUrl: postgres.url,
    logUrl: standIn?.url ?? postgres.url,
    standIn,
    topics: {
      brokers,
      prefix: PREFIX,
      generations: [{ generation: 1, partitions: PARTITIONS, begin: START }],
    },
    env,
    stands: () => pool.query<Stand>(STANDS),
    workingRelay: () => relays.find((each) => works.includes(each.state('relay') ?? '')),
    activeProjector() {
      const held = (each: Slot) =>
        projectionCatalogue.filter(({ name }) => works.includes(each.state(name) ?? '')).length;
      const most = projectors.toSorted((a, b) => held(b) - held(a))[0]!;
      return held(most) > 0 ? most : undefined;
    },
  };
}
