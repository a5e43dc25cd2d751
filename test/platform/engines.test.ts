/** Every role in a process of its own, on real engines, by settings alone. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { PlinthClient, type PlinthClientError } from '../../clients/node/index.ts';
import { openLog } from '../../infra/event-log/open-log.ts';
import { systemClock } from '../../infra/system-clock.ts';
import { type Recorded, START } from '../../schemas/envelope.ts';
import { Secret } from '../../schemas/secret.ts';
import { startEventStoreStandIn } from '../eventstore/stand-in.ts';
import { testKafka } from '../support/kafka-server.ts';
import {
  adminKey,
  dataFolder,
  embedded,
  plinth,
  postgresPid,
  type RoleName,
  startRole,
  until,
} from '../support/platform-process.ts';
import { testDatabase } from '../support/postgres.ts';
import { ownRedis } from '../support/redis-server.ts';
import { without } from '../support/servers.ts';
import { assertTopicsAreTheLog } from '../support/topic-check.ts';

const PARTITIONS = 3;
/** What recovers by itself does so within this. */
const RECOVERY_MS = 30_000;

const logs: Record<string, (t: TestContext, databaseUrl: string) => Promise<Record<string, string>>> = {
  'a log in Postgres': async () => ({}),
  'a log in EventStoreDB': async (t) => {
    const standIn = await startEventStoreStandIn();
    t.after(() => standIn.close());
    return { EVENT_LOG_URL: standIn.url };
  },
};

for (const [name, settings] of Object.entries(logs)) {
  test(`on ${name}, with Kafka and Redis, the roles work apart; killed ones are taken over from, and nothing is lost or doubled`, {
    skip: without('kafka') || without('redis'),
  }, async (t) => {
    const folder = await dataFolder(t);
    const databaseUrl = await testDatabase(t);
    const [{ brokers, prefix }, redis] = await Promise.all([testKafka(), ownRedis(t)]);
    const env = embedded(folder, {
      DATABASE_URL: databaseUrl,
      PLINTH_DATABASE_CONNECTIONS: '6',
      KAFKA_BROKERS: brokers.join(','),
      KAFKA_TOPIC_PREFIX: prefix,
      KAFKA_PARTITIONS: String(PARTITIONS),
      REDIS_URL: redis.url,
      PLINTH_HEALTH_PORT: '0',
      ...(await settings(t, databaseUrl)),
    });
    const start = (role: RoleName) => startRole(t, role, { env });
    const api = await start('api');
    const [projector, relay] = await Promise.all([start('projector'), start('relay')]);
    const roles = ['api', 'projector', 'relay', 'scheduler'] as const;
    const others = await Promise.all(roles.map(start));
    const [client, ofOther] = (await Promise.all(
      [api, others[0]!].map(async ({ url }) => new PlinthClient({ url, key: await adminKey(folder) })),
    )) as [PlinthClient, PlinthClient];
    assert.equal(await postgresPid(folder), null, 'no server of its own beside DATABASE_URL');

    const issued: { id: string; secret: string }[] = [];
    const issue = async (count: number) => {
      for (let i = 0; i < count; i++) {
        const { key, secret, position } = await client.issueKey({
          name: `key ${issued.length}`,
          ownerId: 'ada',
        });
        issued.push({ id: key.id, secret: secret! });
        // A projector that was killed leaves its consumer group after 6 s: until then its partitions wait.
        const name = `key ${issued.length - 1}`;
        const listed = () =>
          ofOther.getKey(key.id, { position: position! }).then(
            (found) => found.name === name,
            (error: PlinthClientError) => {
              assert.equal(error.code, 'projection_behind');
              return false;
            },
          );
        await until('the list shows the key', listed, RECOVERY_MS);
      }
    };
    await issue(10);
    relay.kill('SIGKILL');
    projector.kill('SIGKILL');
    await issue(10);
    for (const key of [issued[0]!.secret, issued[19]!.secret]) {
      for (const process of [client, ofOther]) assert.equal((await process.verify({ key })).code, 'VALID');
    }
    const revoked = await client.revokeKey(issued[0]!.id, { reason: 'lost' });
    for (const process of [client, ofOther]) {
      const verified = await process.verify({ key: issued[0]!.secret }, { position: revoked.position! });
      assert.equal(verified.code, 'REVOKED');
    }
    assert.equal((await ofOther.explain({ keyId: issued[19]!.id, asOf: revoked.position! })).code, 'VALID');

    const opened = await openLog(new Secret(env.EVENT_LOG_URL ?? databaseUrl), systemClock);
    t.after(() => opened.close());
    const events = async () => {
      const all: Recorded[] = [];
      for (let at = START; ; ) {
        const slice = await opened.log.readAll(at, 1_000);
        if (slice.events.length === 0) return all;
        all.push(...slice.events);
        at = slice.through;
      }
    };
    const topics = { brokers, prefix, generation: 1, partitions: PARTITIONS };
    // The processes count what they were asked, and append that from time to time.
    await until('the topics hold the log', async () =>
      assertTopicsAreTheLog(topics, await events()).then(
        () => true,
        () => false,
      ),
    );
    for (const projection of ['keys', 'key_list', 'tenants', 'usage']) {
      const verified = await plinth(['projections', 'verify', projection], { env });
      assert.equal(verified.code, 0, `${verified.stdout}${verified.stderr}`);
    }
    const tail = await plinth(['log', 'tail', '--count', '3', '--json'], { env });
    assert.equal(tail.stdout.trim().split('\n').length, 3, tail.stderr);
    for (const { url } of [api, others[0]!]) assert.equal((await fetch(`${url}/readyz`)).status, 200);
    for (const role of [api, ...others]) {
      const ended = await role.stop();
      assert.deepEqual([ended.code, ended.signal], [0, null], ended.stderr);
      assert.doesNotMatch(ended.stdout, /"level":"(error|fatal)"/);
    }
  });
}

test('a relay without Kafka says what it lacks', async (t) => {
  const folder = await dataFolder(t);
  const ended = await plinth(['relay'], { env: embedded(folder) });
  assert.equal(ended.code, 78);
  assert.match(ended.stderr, /^plinth: The relay carries the log to Kafka: set KAFKA_BROKERS\.\n$/);
});
