/** A projection that real Kafka feeds, over real Postgres: a log, a relay, and runners that share the work. */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import type { PlatformLog } from '../../infra/event-log/platform-log.ts';
import { type OpenedKafka, openKafka } from '../../infra/kafka/kafka.ts';
import { createPool, type Pool } from '../../infra/postgres/pool.ts';
import { migrateProjections, postgresProjectionStore } from '../../infra/postgres/projection-store.ts';
import { postgresReadModels } from '../../infra/postgres/read-models.ts';
import { systemClock as clock } from '../../infra/system-clock.ts';
import type { Projection, Tx } from '../../projections/projection.ts';
import { projectionRunner, type RunnerDeps } from '../../projections/runner.ts';
import {
  type CommandId,
  type DecodedEvent,
  type EventId,
  type Position,
  type StreamId,
  streamId,
} from '../../schemas/envelope.ts';
import type { PlinthError } from '../../schemas/errors.ts';
import { relay } from '../../workers/relay.ts';
import { plainCodec } from '../simulation/plain-codec.ts';
import { type TestKafka, testKafka } from './kafka-server.ts';
import { kafkaTopics } from './kafka-topics.ts';
import { until } from './platform-process.ts';
import { openTestLog } from './postgres-log.ts';

const READ_WAIT_MS = 5_000;

/** Inside of the transaction, once the rows are written. */
export type Applied = (events: readonly DecodedEvent[]) => Promise<void>;

/** Of each stream the versions that were applied, in the order in which they came. */
function versions(applied: Applied): Projection<Tx> {
  return {
    name: 'versions',
    revision: 1,
    order: 'stream',
    domains: ['keys', 'owners'],
    types: new Set(['thing.added']),
    tables: [{ name: 'versions', key: ['stream'] }],
    reads: 'public',
    publishesChanges: false,
    async create(tx, tables) {
      await tx.query(`CREATE TABLE ${tables('versions')} (stream text PRIMARY KEY, applied int[] NOT NULL)`);
    },
    async apply(tx, tables, events) {
      for (const { stream, version } of events) {
        await tx.query(
          `INSERT INTO ${tables('versions')} AS v VALUES ($1, ARRAY[$2::int])
           ON CONFLICT (stream) DO UPDATE SET applied = v.applied || $2::int`,
          [stream, version],
        );
      }
      await applied(events);
    },
  };
}

export interface FedBy {
  readonly pool: Pool;
  readonly log: PlatformLog;
  readonly kafka: OpenedKafka;
}

/** What a process that runs the projection has. */
export function fedDeps({ pool, log, kafka }: FedBy, applied: Applied = async () => {}): RunnerDeps<Tx> {
  const store = postgresProjectionStore(pool, { advanced: () => {} });
  return { projection: versions(applied), store, log, decoder: plainCodec, clock, feed: kafka.feed };
}

export async function fedProjection(t: TestContext, at?: TestKafka) {
  const { brokers, prefix } = at ?? (await testKafka());
  const { log, url } = await openTestLog(t);
  const pool = createPool({ connectionString: url, applicationName: 'feed test' });
  await migrateProjections(pool);
  const readModels = postgresReadModels({ primary: pool, clock });
  const store = postgresProjectionStore(pool, { advanced: readModels.moved });
  const kafka = openKafka({ brokers, prefix, replicas: 1, clock });
  const ends: (() => Promise<void>)[] = [];
  t.after(async () => {
    await Promise.all(ends.map((end) => end()));
    await kafka.close();
    await readModels.close();
    await pool.close();
  });

  const startRelay = () => {
    const stopping = new AbortController();
    const topics = kafka.relayTopics();
    const lease = { hold: async () => true, release: async () => {} };
    const working = relay({ log, topics, lease, clock }, { signal: stopping.signal, partitions: 2 });
    const running = working.run().then(() => topics.close());
    const stop = async () => {
      stopping.abort();
      await running;
    };
    ends.push(stop);
    return stop;
  };
  const start = (holder: string, applied?: Applied) => {
    const stopping = new AbortController();
    const runner = projectionRunner({ ...fedDeps({ pool, log, kafka }, applied), store }, { holder });
    const running = runner.run(stopping.signal);
    const stop = async () => {
      stopping.abort();
      await running;
    };
    ends.push(stop);
    return { health: runner.health, stop };
  };

  const appended = new Map<StreamId, number>();
  /** The n-th event, to one of three streams in turn. */
  const append = async (n: number, data: object = {}): Promise<Position> => {
    const stream = n % 3 === 0 ? streamId('owner', 'o') : streamId('key', `k${n % 3}`);
    const metadata = {
      tenant: 'tnt_1',
      actor: 'system:test',
      commandId: randomUUID() as CommandId,
      requestDigest: null,
      correlationId: 'c',
      causationId: null,
      traceparent: null,
    };
    const id = randomUUID() as EventId;
    const one = { id, type: 'thing.added', data, timeMs: clock.now(), nonce: randomBytes(16), metadata };
    const answer = await log.append(stream, appended.get(stream) ?? 0, await plainCodec.encode([one]));
    assert.ok(answer.ok);
    appended.set(stream, answer.version);
    return answer.position;
  };
  const current = async () => (await store.revisions('versions')).find(({ state }) => state === 'current');
  const rows = async (atLeast: Position) => {
    let found: readonly { stream: StreamId; applied: number[] }[] = [];
    await until('it is read at the position', async () => {
      const reading = readModels.read('versions', { atLeast, waitMs: READ_WAIT_MS }, (tx, tables) =>
        tx.query<{ stream: StreamId; applied: number[] }>(`SELECT * FROM ${tables('versions')}`),
      );
      const read = await reading.catch((error: PlinthError) => {
        if (error.rejection?.code === 'projection_behind') return null;
        throw error;
      });
      found = read?.result ?? [];
      return read !== null;
    });
    return Object.fromEntries(found.map(({ stream, applied }) => [stream, applied]));
  };
  return {
    ...(await kafkaTopics(t, { brokers, prefix })),
    kafka,
    prefix,
    brokers,
    url,
    startRelay,
    start,
    append,
    fed: () => until('it is fed', async () => (await current())?.feed != null),
    inLogMode: () => until('it follows the log', async () => (await current())?.feed === null),
    relayed: (position: Position) =>
      until(
        'the relay is level',
        async () => (await kafka.feed.ends(['keys']).catch(() => null))?.relayed.position === position,
      ),
    /** Every event is applied, once and in the order of its stream, through there. */
    async checkAt(position: Position) {
      const all = [...appended].map(([stream, last]) => [
        stream,
        Array.from({ length: last }, (_, i) => i + 1),
      ]);
      assert.deepEqual(await rows(position), Object.fromEntries(all));
    },
  };
}
