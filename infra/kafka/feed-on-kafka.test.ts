/** A projection that real Kafka feeds, over real Postgres: joined, read at a position, trimmed and back. */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { Projection } from '../../projections/projection.ts';
import { projectionRunner } from '../../projections/runner.ts';
import { type CommandId, type EventId, type StreamId, streamId } from '../../schemas/envelope.ts';
import { plainCodec } from '../../test/simulation/plain-codec.ts';
import { testKafka } from '../../test/support/kafka-server.ts';
import { kafkaTopics } from '../../test/support/kafka-topics.ts';
import { until } from '../../test/support/platform-process.ts';
import { openTestLog } from '../../test/support/postgres-log.ts';
import { without } from '../../test/support/servers.ts';
import { relay } from '../../workers/relay.ts';
import { createPool } from '../postgres/pool.ts';
import { migrateProjections, postgresProjectionStore } from '../postgres/projection-store.ts';
import { postgresReadModels } from '../postgres/read-models.ts';
import { systemClock as clock } from '../system-clock.ts';
import { openKafka } from './kafka.ts';

const skip = without('kafka');

/** Of each stream the versions that were applied, in the order in which they came. */
const versions: Projection = {
  name: 'versions',
  revision: 1,
  order: 'stream',
  domains: ['keys', 'owners'],
  types: new Set(['thing.added']),
  tables: [{ name: 'versions', key: ['stream'] }],
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
  },
};

test('a projection joins Kafka, is read at a position, and outlives its runner and a trimmed topic', {
  skip,
}, async (t) => {
  const { brokers, prefix } = await testKafka();
  const { log, pool } = await openTestLog(t);
  const { connectionString } = pool;
  const own = createPool({ connectionString, applicationName: 'feed test' });
  await migrateProjections(own);
  const readModels = postgresReadModels({ primary: own, clock });
  const store = postgresProjectionStore(own, { advanced: readModels.moved });
  const kafka = openKafka({ brokers, prefix, replicas: 1, clock });
  const stopRelay = new AbortController();
  const topics = kafka.relayTopics();
  const lease = { hold: async () => true, release: async () => {} };
  const relaying = relay({ log, topics, lease, clock }, { signal: stopRelay.signal, partitions: 2 }).run();
  const start = (holder: string) => {
    const stop = new AbortController();
    const runner = projectionRunner(
      { projection: versions, store, log, decoder: plainCodec, clock, feed: kafka.feed },
      { holder },
    );
    const running = runner.run(stop.signal);
    const end = async () => {
      stop.abort();
      await running;
    };
    return { runner, stop: end };
  };
  const appended = new Map<StreamId, number>();
  const append = async (n: number) => {
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
    const one = { id, type: 'thing.added', data: {}, timeMs: Date.now(), nonce: randomBytes(16), metadata };
    const answer = await log.append(stream, appended.get(stream) ?? 0, await plainCodec.encode([one]));
    assert.ok(answer.ok);
    appended.set(stream, answer.version);
    return answer.position;
  };
  const current = async () => (await store.revisions('versions')).find((r) => r.state === 'current');
  const fed = () => until('it is fed', async () => (await current())?.feed != null);
  const readAt = async (atLeast: Awaited<ReturnType<typeof append>>) => {
    for (let tries = 0; ; tries++) {
      try {
        const { result } = await readModels.read('versions', { atLeast, waitMs: 10_000 }, (tx, tables) =>
          tx.query<{ stream: StreamId; applied: number[] }>(`SELECT * FROM ${tables('versions')}`),
        );
        return Object.fromEntries(result.map((row) => [row.stream, row.applied]));
      } catch (error) {
        if (tries === 5) throw error;
      }
    }
  };
  const all = () =>
    Object.fromEntries(
      [...appended].map(([stream, last]) => [stream, Array.from({ length: last }, (_, i) => i + 1)]),
    );
  let running: ReturnType<typeof start> | null = null;
  try {
    await append(1);
    running = start('one');
    await fed();
    t.diagnostic('fed');
    for (let n = 2; n < 60; n++) await append(n);
    assert.deepEqual(await readAt(await append(60)), all());
    assert.notEqual((await current())!.feed, null);
    assert.equal(running.runner.health().partitions, 4);

    await running.stop();
    let last = await append(61);
    running = start('two');
    assert.deepEqual(await readAt(last), all());
    assert.notEqual((await current())!.feed, null);

    await running.stop();
    for (let n = 62; n < 80; n++) last = await append(n);
    await until(
      'the relay is level',
      async () => (await kafka.feed.ends(['keys']))?.relayed.position === last,
    );
    const fate = await kafkaTopics(t, { brokers, prefix });
    const ends = (await kafka.feed.ends(['keys']))!;
    for (const { offset, ...partition } of ends.offsets) await fate.trim(1, partition, offset);
    running = start('three');
    assert.deepEqual(await readAt(last), all());
    await fed();
    assert.deepEqual(await readAt(await append(80)), all());
  } finally {
    await running?.stop();
    stopRelay.abort();
    await relaying;
    await topics.close();
    await kafka.close();
    await readModels.close();
    await own.close();
  }
});
