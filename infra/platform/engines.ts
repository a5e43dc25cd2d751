/** What every role and every verb of the command line stands on: database, log, data keys, codec, read models. */
import { chmod, mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Clock, Random } from '../../commands/clock.ts';
import type { Codec } from '../../commands/codec.ts';
import type { EventLog } from '../../commands/event-log.ts';
import type { FlagDeps } from '../../commands/flags/project-command.ts';
import { HotFolds } from '../../commands/hot-folds.ts';
import type { KeyDeps } from '../../commands/keys/key-command.ts';
import { personalCodec } from '../../commands/personal-codec.ts';
import type { Hints } from '../../projections/hints.ts';
import type { Settings } from '../../schemas/config.ts';
import { eventCatalogue } from '../../schemas/events/catalogue.ts';
import type { Secret } from '../../schemas/secret.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../embedded/embedded-postgres.ts';
import { openEventStoreEventLog } from '../event-log/eventstore/eventstore-event-log.ts';
import { appendingLogWriter, type LogWriter, postgresLogWriter } from '../event-log/log-writer.ts';
import type { PlatformLog } from '../event-log/platform-log.ts';
import { openPostgresEventLog } from '../event-log/postgres-event-log.ts';
import { type OpenedKafka, openKafka } from '../kafka/kafka.ts';
import { openPostgresDataKeys, type PostgresDataKeys } from '../postgres/data-keys.ts';
import { createPool, type Pool, type PoolOptions } from '../postgres/pool.ts';
import { migrateProjections, postgresProjectionStore } from '../postgres/projection-store.ts';
import { type PostgresReadModels, postgresReadModels, REPLICA_LIMITS } from '../postgres/read-models.ts';
import { processName } from '../process-name.ts';
import { openRedis, type RedisConnection } from '../redis/connection.ts';
import { redisHints } from '../redis/hints.ts';
import { type Keyring, openKeyring } from '../secrets/keyring.ts';
import { systemClock, systemRandom } from '../system-clock.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { connectionLosses } from './connection-losses.ts';

export interface Engines {
  readonly settings: Settings;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly random: Random;
  /** The embedded server, when there is no DATABASE_URL. */
  readonly embedded: EmbeddedPostgres | null;
  /** Of the primary. */
  readonly pool: Pool;
  readonly keyPool: Pool;
  readonly keyring: Keyring;
  /** The log as commands use it: each append is measured. */
  readonly log: EventLog;
  /** The same, as it is. */
  readonly ownLog: PlatformLog;
  /** Fills it with what another log has recorded. */
  readonly logWriter: LogWriter;
  /** Where a log in Postgres lies; null: it lies elsewhere. */
  readonly logPool: Pool | null;
  readonly dataKeys: PostgresDataKeys;
  readonly codec: Codec;
  readonly store: ReturnType<typeof postgresProjectionStore>;
  readonly readModels: PostgresReadModels;
  /** Null: there is none, and all projections follow the log. */
  readonly kafka: OpenedKafka | null;
  /** Null: limits and rows are kept in this process alone. */
  readonly redis: { readonly connection: RedisConnection; readonly hints: Hints } | null;
  readonly keyDeps: KeyDeps & FlagDeps;
  /** For commands at long streams. */
  readonly hotFolds: HotFolds;
  /** Names this life of this process. */
  readonly writer: string;
  /** The same in a lease, for whoever looks for the process. */
  readonly holder: string;
  close(): Promise<void>;
}

export interface EngineOptions {
  readonly settings: Settings;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** What connections are called in `pg_stat_activity`. */
  readonly applicationName: string;
  /** It serves the API, and so judges limits. */
  readonly serves?: boolean;
  /** The embedded server is gone for good. */
  readonly failed?: (why: string) => void;
  readonly signal?: AbortSignal;
}

export async function openEngines(options: EngineOptions): Promise<Engines> {
  const { settings, log, metrics, applicationName, failed, signal } = options;
  const clock = systemClock;
  const random = systemRandom;
  const dataDir = resolve(settings.dataDir);
  const undo: (() => Promise<unknown>)[] = [];
  try {
    // Others may pass through: the server's own folder is closed, and so are the secrets.
    await mkdir(dataDir, { recursive: true });
    await chmod(dataDir, 0o755).catch(() => {});
    const embedded = settings.databaseUrl
      ? null
      : await startEmbeddedPostgres({
          dataDir: join(dataDir, 'postgres'),
          log: (line) => log.info({ component: 'postgres' }, line),
          ...(failed ? { failed } : {}),
          ...(signal ? { signal } : {}),
        });
    if (embedded) undo.push(() => embedded.stop());
    const losses = connectionLosses(log, metrics);
    const lost = (error: Error) => losses.tell('postgres', error);
    const poolOf = (connectionString: string, name: string, more: Partial<PoolOptions> = {}) => {
      const pool = createPool({
        ...more,
        connectionString,
        applicationName: `${applicationName} ${name}`,
        maxConnections: settings.databaseConnections,
        onLostConnection: lost,
        ...(metrics ? { onQuery: metrics.queried } : {}),
      });
      undo.push(() => pool.close());
      return pool;
    };
    const primaryUrl = settings.databaseUrl?.reveal() ?? embedded!.url;
    const pool = poolOf(primaryUrl, 'primary');
    const keyPool = settings.dataKeysUrl
      ? poolOf(settings.dataKeysUrl.reveal(), 'data keys', { setting: 'DATA_KEYS_URL' })
      : pool;
    const replica =
      settings.replicaUrl &&
      poolOf(settings.replicaUrl.reveal(), 'replica', { ...REPLICA_LIMITS, setting: 'DATABASE_REPLICA_URL' });

    const keyring = await openKeyring({
      dataDir,
      random,
      ...(settings.masterKey ? { masterKey: settings.masterKey } : {}),
      ...(settings.peppers ? { peppers: settings.peppers } : {}),
    });
    const ownLog: PlatformLog = settings.eventLogUrl
      ? await openEventStoreEventLog({
          url: settings.eventLogUrl,
          clock,
          onLostConnection: (error) => losses.tell('log', error),
        })
      : await openPostgresEventLog({ pool, clock, onLostConnection: lost });
    undo.push(() => ownLog.close());
    await migrateProjections(pool);
    const dataKeys = await openPostgresDataKeys({ pool: keyPool, keyring, clock, random });
    // Forgets them at once; held until they run out, they would hold up the end of the process as well.
    undo.push(async () => dataKeys.stop());
    let lostFields = 0;
    metrics?.watch({ gauges: () => ({ plinth_personal_fields_lost: lostFields }) });
    const codec = personalCodec({
      dataKeys,
      clock,
      random,
      catalogue: eventCatalogue,
      onLost: ({ event, field }) => {
        lostFields += 1;
        metrics?.noticed('personal_field_lost');
        log.error(
          { component: 'codec', stream: event.stream, position: event.position, detail: field },
          'the data key of a personal field is missing although nothing erased it',
        );
      },
    });
    const redis = settings.redisUrl === null ? null : openSharedRedis(settings.redisUrl, options, clock);
    if (redis) undo.push(() => redis.connection.close());
    const readModels = postgresReadModels({
      primary: pool,
      replica: replica ?? undefined,
      clock,
      hints: redis?.hints,
      onRead: (by) => metrics?.read(by),
    });
    undo.push(() => readModels.close());
    const kafka =
      settings.kafkaBrokers === null
        ? null
        : openKafka({
            brokers: settings.kafkaBrokers,
            prefix: settings.kafkaTopicPrefix,
            replicas: settings.kafkaReplicas,
            clock,
            onLog: ({ message, detail }) => log.debug({ component: 'kafka', detail }, message),
          });
    if (kafka) undo.push(() => kafka.close());
    const hotFolds = new HotFolds();
    metrics?.watch({
      gauges() {
        const { folds, bytes, hits, misses } = hotFolds.gauges();
        return {
          plinth_hot_folds: folds,
          plinth_hot_fold_bytes: bytes,
          plinth_hot_fold_hits: hits,
          plinth_hot_fold_misses: misses,
        };
      },
    });
    const measured = metrics ? measuredLog(ownLog, metrics) : ownLog;
    const writer = Buffer.from(random.bytes(8)).toString('hex');
    return {
      settings,
      dataDir,
      clock,
      random,
      embedded,
      pool,
      keyPool,
      keyring,
      log: measured,
      ownLog,
      logWriter: settings.eventLogUrl ? appendingLogWriter(ownLog) : postgresLogWriter(pool),
      logPool: settings.eventLogUrl ? null : pool,
      dataKeys,
      codec,
      store: postgresProjectionStore(pool, {
        advanced(projection, position) {
          readModels.moved(projection, position);
          redis?.hints.moved(projection);
        },
      }),
      readModels,
      kafka,
      redis,
      keyDeps: { log: measured, codec, clock, random, peppers: keyring.peppers, hotFolds },
      hotFolds,
      writer,
      holder: `${processName()} (${writer})`,
      close() {
        losses.stop();
        return closeAll(undo);
      },
    };
  } catch (error) {
    await closeAll(undo).catch(() => {});
    throw error;
  }
}

/** What the processes of one platform share; it may be away, now and at any time. */
function openSharedRedis(
  url: Secret<string>,
  { settings, log, metrics, serves = false }: EngineOptions,
  clock: Clock,
): Engines['redis'] {
  const connection = openRedis({
    url,
    prefix: settings.redisPrefix,
    clock,
    onState(state, why, problem) {
      if (state === 'ready') return log.info({ component: 'redis' }, 'Redis is there');
      metrics?.noticed('redis_away');
      log.warn({ component: 'redis', detail: why, problem }, withoutRedis(state === 'partial', serves));
    },
    ...(metrics ? { onCommand: metrics.redis } : {}),
  });
  return { connection, hints: redisHints(connection, clock) };
}

/** What is otherwise while Redis is away, or a node of it. Limits are judged where the API is served alone. */
export function withoutRedis(partial: boolean, serves: boolean): string {
  const away = partial ? 'A node of the Redis Cluster is away' : 'Redis is away';
  if (!serves) return `${away}: this process goes on without it`;
  return partial
    ? `${away}: limits that lie there are judged by shares, and no keys are issued`
    : `${away}: each process judges limits by its share, and no keys are issued`;
}

/** In the reverse order of opening; one that fails does not keep the others open. */
async function closeAll(undo: (() => Promise<unknown>)[]): Promise<void> {
  let failure: unknown;
  for (const close of undo.splice(0).reverse()) {
    try {
      await close();
    } catch (error) {
      failure ??= error;
    }
  }
  if (failure) throw failure;
}

function measuredLog(log: EventLog, metrics: Metrics): EventLog {
  return {
    ...log,
    async append(stream, expected, events) {
      const startedMs = performance.now();
      try {
        const answer = await log.append(stream, expected, events);
        metrics.appended((performance.now() - startedMs) / 1000, answer.ok ? 'appended' : 'conflict');
        return answer;
      } catch (error) {
        metrics.appended((performance.now() - startedMs) / 1000, 'failed');
        throw error;
      }
    },
  };
}
