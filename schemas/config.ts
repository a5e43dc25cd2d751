/**
 * Every setting, from the environment. `docs/operator.md` carries the table made from here; what is read
 * and how faults are told is `schemas/read-settings.ts`.
 */
import { z } from 'zod';
import { Secret } from './secret.ts';
import { slugSchema } from './values.ts';

export interface SettingSpec<T = unknown> {
  readonly env: string;
  readonly schema: z.ZodType<T, string>;
  /** What an unset one counts as; null: nothing. */
  readonly fallback: string | null;
  /** What the value must be, as a person would say it. */
  readonly rule: string;
  readonly doc: string;
  /** Its value, or part of it, is never shown. */
  readonly secret?: true;
  /** Read by the command line and the client, not by the platform. */
  readonly client?: true;
}

function setting<T, const F extends string | null>(
  env: string,
  schema: z.ZodType<T, string>,
  fallback: F,
  rule: string,
  doc: string,
  more: Pick<SettingSpec, 'secret' | 'client'> = {},
): SettingSpec<T> & { readonly fallback: F } {
  return { env, schema, fallback, rule, doc, ...more };
}

function whole(min: number, max: number): z.ZodType<number, string> {
  return z
    .string()
    .regex(/^\d{1,12}$/)
    .transform(Number)
    .pipe(z.int().min(min).max(max));
}

const postgresUrl = z
  .string()
  .refine((text) => /^postgres(ql)?:\/\/[^/\s]+\/[^/\s]+$/.test(text) && URL.canParse(text))
  .transform((text) => new Secret(text));

const eventStoreUrl = z
  .string()
  .refine((text) => /^(?:esdb|kurrentdb)(?:\+discover)?:\/\/[^/\s]+/.test(text))
  .transform((text) => new Secret(text));

const HOST_PORT = '(?:[A-Za-z0-9][A-Za-z0-9.-]{0,252}|\\[[0-9A-Fa-f:.]{2,45}\\])(?::\\d{1,5})';

const brokers = z
  .string()
  .transform((text) => text.split(',').map((part) => part.trim()))
  .pipe(z.array(z.string().regex(new RegExp(`^${HOST_PORT}$`))).max(50));

/** Begins names in an engine that others may share. */
const namePrefix = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/);
const NAME_PREFIX_RULE = 'up to 100 letters, digits, "-" and "_"';

const redisUrl = z
  .string()
  .refine((text) =>
    new RegExp(`^rediss?://(?:[^@/\\s]*@)?${HOST_PORT}(?:,${HOST_PORT}){0,49}(?:/\\d{0,3})?$`).test(text),
  )
  .transform((text) => new Secret(text));

const httpUrl = z
  .string()
  .refine((text) => /^https?:\/\//.test(text) && URL.canParse(text))
  .transform((text) => text.replace(/\/+$/, ''));

const MAX_PEPPERS = 50;
const POSTGRES_RULE = 'a connection string such as postgres://user:password@host:5432/database';

/** 32 bytes in base64, with or without padding, in either alphabet: the last of 43 characters has two spare bits. */
const BASE64_OF_32 = '[A-Za-z0-9+/_-]{42}[AEIMQUYcgkosw048]=?';

const masterKey = z
  .string()
  .regex(new RegExp(`^(?:[0-9A-Fa-f]{64}|${BASE64_OF_32})$`))
  .transform((text) => new Secret(text));

/** `<version>:<32 bytes or more>`; 43 characters of base64 and 64 hexadecimal digits are 32 bytes. */
const pepper = z.string().regex(/^[1-9]\d{0,5}:(?:[0-9A-Fa-f]{64}|[A-Za-z0-9+/_-]{43,1000}={0,2})$/);

const peppers = z
  .string()
  .refine((text) => {
    const parts = text.split(/[\s,]+/).filter((part) => part !== '');
    const versions = new Set(parts.map((part) => part.slice(0, part.indexOf(':'))));
    const whole = parts.length > 0 && parts.length <= MAX_PEPPERS && versions.size === parts.length;
    return whole && parts.every((part) => pepper.safeParse(part).success);
  })
  .transform((text) => new Secret(text));

const proxies = z
  .string()
  .transform((text) => text.split(',').map((part) => part.trim()))
  .pipe(z.array(z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()])).max(50));

const host = z.string().regex(/^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|[0-9A-Fa-f:.]{2,45})$/);

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

export const settingSpecs = {
  host: setting(
    'PLINTH_HOST',
    host,
    '127.0.0.1',
    'an address or host name of this machine',
    'Where the API listens. Loopback unless you open it; TLS belongs to a proxy in front.',
  ),
  port: setting(
    'PLINTH_PORT',
    whole(0, 65_535),
    '7400',
    'a whole number from 0 (any free port) to 65535',
    'Port of the API.',
  ),
  healthPort: setting(
    'PLINTH_HEALTH_PORT',
    whole(0, 65_535),
    null,
    'a whole number from 0 (any free port) to 65535',
    'Where a process that serves no API (`plinth projector`, `plinth relay`, `plinth scheduler`) answers /livez, /readyz and /metrics. Unset: nowhere.',
  ),
  dataDir: setting(
    'PLINTH_DATA_DIR',
    z.string().min(1).max(1_000),
    '.plinth',
    'the path of a folder',
    'The embedded PostgreSQL, the keyring and the admin key live here. Relative to the current folder.',
  ),
  eventLogUrl: setting(
    'EVENT_LOG_URL',
    eventStoreUrl,
    null,
    'a connection string such as esdb://user:password@host:2113?tls=true',
    'An EventStoreDB that holds the event log. Unset: the log is kept in PostgreSQL.',
    { secret: true },
  ),
  kafkaBrokers: setting(
    'KAFKA_BROKERS',
    brokers,
    null,
    'host:port of one or more brokers, separated by commas',
    'A Kafka that the relay fills and that feeds the projections which allow it. Unset: all follow the log.',
  ),
  kafkaTopicPrefix: setting(
    'KAFKA_TOPIC_PREFIX',
    namePrefix,
    'plinth',
    NAME_PREFIX_RULE,
    "Begins the name of every topic, of the relay's transactional id and of the consumer groups.",
  ),
  kafkaPartitions: setting(
    'KAFKA_PARTITIONS',
    whole(1, 1_000),
    '12',
    'a whole number from 1 to 1000',
    'Partitions of each topic in a generation that the relay begins; fixed as long as the generation lasts.',
  ),
  kafkaReplicas: setting(
    'KAFKA_REPLICAS',
    whole(1, 10),
    '1',
    'a whole number from 1 to 10',
    'Copies of each topic that the relay makes: 3 where there are three brokers.',
  ),
  redisUrl: setting(
    'REDIS_URL',
    redisUrl,
    null,
    'redis://…, rediss://…, or the nodes of a cluster: redis://host:port,host:port',
    'A Redis, or a Redis Cluster, that several API processes share for limits and cached rows. Unset: one process may serve the API, and keeps them itself.',
    { secret: true },
  ),
  redisPrefix: setting(
    'REDIS_PREFIX',
    namePrefix,
    'plinth',
    NAME_PREFIX_RULE,
    'Begins the name of every key and channel in Redis: platforms that share one need one each.',
  ),
  databaseUrl: setting(
    'DATABASE_URL',
    postgresUrl,
    null,
    POSTGRES_RULE,
    'A PostgreSQL (16 or later) of your own for the log and the read models. Unset: the embedded one.',
    { secret: true },
  ),
  replicaUrl: setting(
    'DATABASE_REPLICA_URL',
    postgresUrl,
    null,
    POSTGRES_RULE,
    'A read replica for lists and look-ups. Verify never reads it. Unset: the primary.',
    { secret: true },
  ),
  dataKeysUrl: setting(
    'DATA_KEYS_URL',
    postgresUrl,
    null,
    POSTGRES_RULE,
    'Where the wrapped data keys are kept. Unset: the same database, in a schema of its own.',
    { secret: true },
  ),
  masterKey: setting(
    'PLINTH_MASTER_KEY',
    masterKey,
    null,
    '32 random bytes as base64 or hexadecimal, e.g. from: openssl rand -base64 32',
    'Wraps the data keys. Unset: made once and kept in the data folder.',
    { secret: true },
  ),
  peppers: setting(
    'PLINTH_PEPPERS',
    peppers,
    null,
    'versions with 32 or more random bytes each as base64 or hexadecimal, e.g. 1:<base64>,2:<base64>',
    'Under which key digests are made; the highest version is used for new keys, old ones must stay. Unset: made once and kept in the data folder.',
    { secret: true },
  ),
  logLevel: setting(
    'PLINTH_LOG_LEVEL',
    z.enum(LOG_LEVELS),
    'info',
    `one of ${LOG_LEVELS.join(', ')}`,
    'How much is logged, as JSON lines on standard output. At `info`: one line a request.',
  ),
  trustedProxies: setting(
    'PLINTH_TRUSTED_PROXIES',
    proxies,
    null,
    'addresses or ranges, separated by commas, e.g. 127.0.0.1,10.0.0.0/8',
    'Proxies whose X-Forwarded-For is believed. Unset: none, and the peer of the socket counts.',
  ),
  databaseConnections: setting(
    'PLINTH_DATABASE_CONNECTIONS',
    whole(4, 500),
    '20',
    'a whole number from 4 to 500',
    'Connections to the database that one process opens at most, besides a few that listen.',
  ),
  cacheEntries: setting(
    'PLINTH_CACHE_ENTRIES',
    whole(100, 10_000_000),
    '50000',
    'a whole number from 100 to 10000000',
    'Keys that verify holds in memory, about 2 KB each.',
  ),
  flagsGraceSeconds: setting(
    'PLINTH_FLAGS_GRACE_SECONDS',
    whole(0, 30 * 86_400),
    '86400',
    'a whole number of seconds from 0 to 2592000 (30 days)',
    'How long flags are evaluated from what was read last while log and database are away.',
  ),
  flagsClientRequestsPerMinute: setting(
    'PLINTH_FLAGS_CLIENT_REQUESTS_PER_MINUTE',
    whole(1, 1_000_000),
    '1200',
    'a whole number from 1 to 1000000',
    'What one address may ask of one process a minute with one key of a flags client. Behind a proxy, see PLINTH_TRUSTED_PROXIES.',
  ),
  drainSeconds: setting(
    'PLINTH_DRAIN_SECONDS',
    whole(0, 300),
    '0',
    'a whole number of seconds from 0 to 300',
    'How long /readyz answers 503 before the process stops taking requests: give a load balancer time to notice.',
  ),
  url: setting(
    'PLINTH_URL',
    httpUrl,
    null,
    'an address such as https://plinth.example.com',
    'Where `plinth keys …`, `plinth flags …` and other verbs that call the API find it. Unset: this machine, at PLINTH_PORT.',
    { client: true },
  ),
  key: setting(
    'PLINTH_KEY',
    z
      .string()
      .regex(/^plinth_(?:live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$/)
      .transform((text) => new Secret(text)),
    null,
    'a management key: plinth_live_…',
    'The management key that they call it with. Unset: the admin key in the data folder.',
    { secret: true, client: true },
  ),
  project: setting(
    'PLINTH_PROJECT',
    slugSchema,
    null,
    'the key of a project, such as shop',
    'The project that `plinth flags …` and `plinth environments …` are about, where --project does not say it.',
    { client: true },
  ),
  environment: setting(
    'PLINTH_ENVIRONMENT',
    slugSchema,
    null,
    'the key of an environment, such as production',
    'The environment that `plinth flags …` is about, where --environment does not say it.',
    { client: true },
  ),
};

export type SettingName = keyof typeof settingSpecs;

type ValueOf<S> = S extends SettingSpec<infer T> ? T : never;

/** Null where nothing is set and nothing stands in for it. */
export type Settings = {
  readonly [Name in SettingName]:
    | ValueOf<(typeof settingSpecs)[Name]>
    | ((typeof settingSpecs)[Name]['fallback'] extends null ? null : never);
};
