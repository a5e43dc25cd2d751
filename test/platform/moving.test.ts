/** Moving house: the log goes to another engine and back, and whoever stood on the old one says what to do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlinthClient, type PlinthClientError } from '../../clients/node/index.ts';
import { openLog } from '../../infra/event-log/open-log.ts';
import { systemClock } from '../../infra/system-clock.ts';
import { projectionCatalogue } from '../../projections/catalogue.ts';
import { type Position, type Recorded, START } from '../../schemas/envelope.ts';
import { Secret } from '../../schemas/secret.ts';
import { startEventStoreStandIn } from '../eventstore/stand-in.ts';
import { testKafka } from '../support/kafka-server.ts';
import {
  adminKey,
  dataFolder,
  embedded,
  launchRole,
  type PlatformProcess,
  type RoleName,
  startRole,
  until,
} from '../support/platform-process.ts';
import { testDatabase } from '../support/postgres.ts';
import { without } from '../support/servers.ts';
import { generations, settleEpoch, succeed } from '../support/settle-epoch.ts';
import { assertTopicsAreTheLog } from '../support/topic-check.ts';

test('the log moves to EventStoreDB and back: consumers of the old one halt with instructions, and after them all goes on', async (t) => {
  const folder = await dataFolder(t);
  const standIn = await startEventStoreStandIn();
  t.after(() => standIn.close());
  const [first, second] = [await testDatabase(t), await testDatabase(t)];
  const inPostgres = embedded(folder, { DATABASE_URL: first });
  const inEventStore = { ...inPostgres, EVENT_LOG_URL: standIn.url };
  // The wrapped data keys stay where they are.
  const back = { ...inPostgres, DATABASE_URL: second, DATA_KEYS_URL: first };

  const start = async (env: Record<string, string>) => {
    const platform = await startRole(t, 'start', { env });
    const client = new PlinthClient({ url: platform.url, key: await adminKey(folder), maxAttempts: 1 });
    return { platform, client };
  };
  const secrets = new Map<string, string>();
  const revoked = new Set<string>();
  const use = async (client: PlinthClient) => {
    const [good, bad] = [await client.issueKey({ name: 'good' }), await client.issueKey({ name: 'bad' })];
    for (const issued of [good, bad]) secrets.set(issued.key.id, issued.secret!);
    const { position } = await client.revokeKey(bad.key.id, { reason: 'lost' });
    revoked.add(bad.key.id);
    for (const [id, key] of secrets) {
      const code = revoked.has(id) ? 'REVOKED' : 'VALID';
      assert.equal((await client.verify({ key }, { position: position! })).code, code);
      assert.equal((await client.getKey(id, { position: position! })).status === 'revoked', revoked.has(id));
    }
    return position!;
  };

  const old = await start(inPostgres);
  const oldPosition = await use(old.client);
  assert.equal((await old.platform.stop()).code, 0);

  const copied = JSON.parse(await succeed(inPostgres, 'log', 'copy', '--to', standIn.url, '--json'));
  assert.ok(copied.copied > 0);
  await succeed(inPostgres, 'log', 'verify', '--to', standIn.url);

  for (const role of ['start', 'projector'] as const) {
    const unsettled = launchRole(t, role, { env: inEventStore });
    await until(`plinth ${role} says what to do`, () =>
      /restored or copied, run `plinth log restored`/.test(`${unsettled.stdout()}${unsettled.stderr()}`),
    );
    await unsettled.stop();
  }

  const told = await succeed(inEventStore, 'log', 'restored');
  assert.match(
    told,
    /^ {2}key_list stands at an event .* \(lost, or copied to another position\): run plinth/m,
  );
  await settleEpoch(inEventStore);
  const moved = await start(inEventStore);
  const [key] = secrets.keys();
  await assert.rejects(
    moved.client.getKey(key!, { position: oldPosition }),
    (error: PlinthClientError) => error.status === 410,
  );
  await use(moved.client);
  await until('it is ready', async () => (await fetch(`${moved.platform.url}/readyz`)).status === 200);
  assert.equal((await moved.platform.stop()).code, 0);

  await succeed({ ...inEventStore, BACK: second }, 'log', 'copy', '--to', 'env:BACK', '--json');
  await succeed({ ...inEventStore, BACK: second }, 'log', 'verify', '--to', 'env:BACK');
  await settleEpoch(back);
  const home = await start(back);
  await use(home.client);
  await until('it is ready', async () => (await fetch(`${home.platform.url}/readyz`)).status === 200);
  for (const projection of ['keys', 'key_list']) await succeed(back, 'projections', 'verify', projection);
  assert.equal((await home.platform.stop()).code, 0);
  assert.equal(secrets.size, 6);
});

const PARTITIONS = 3;

test('the log moves to EventStoreDB while Kafka carries it: the relay and what it feeds halt, and after the steps of the page go on in new topics', {
  skip: without('kafka'),
}, async (t) => {
  const folder = await dataFolder(t);
  const standIn = await startEventStoreStandIn();
  t.after(() => standIn.close());
  const database = await testDatabase(t);
  const { brokers, prefix } = await testKafka();
  const inPostgres = embedded(folder, {
    DATABASE_URL: database,
    PLINTH_DATABASE_CONNECTIONS: '6',
    KAFKA_BROKERS: brokers.join(','),
    KAFKA_TOPIC_PREFIX: prefix,
    KAFKA_PARTITIONS: String(PARTITIONS),
    PLINTH_HEALTH_PORT: '0',
  });
  const inEventStore = { ...inPostgres, EVENT_LOG_URL: standIn.url };
  const startAll = async (env: Record<string, string>, roles: readonly RoleName[]) => {
    const started: PlatformProcess[] = [];
    for (const role of roles) started.push(await startRole(t, role, { env }));
    return started;
  };
  const stopAll = async (processes: readonly PlatformProcess[]) => {
    for (const one of processes) assert.equal((await one.stop()).code, 0, one.stderr());
  };
  const names = new Map<string, string>();
  const issue = async (api: PlatformProcess, count: number) => {
    const client = new PlinthClient({ url: api.url, key: await adminKey(folder) });
    for (let i = 0; i < count; i++) {
      const name = `key ${names.size}`;
      const { key, position } = await client.issueKey({ name, ownerId: 'ada' });
      names.set(key.id, name);
      if (i < count - 1) continue;
      await until('the list shows the key', async () => {
        const found = await client.getKey(key.id, { position: position! }).catch(behind);
        return found?.name === name;
      });
    }
  };
  const fed = (generation: number, env: Record<string, string>) =>
    until(`generation ${generation} feeds the lists`, async () => {
      const by = await generations(env);
      return by.key_list === generation && by.tenants === generation && by.keys === null;
    });
  const events = async (url: string) => {
    const { log, close } = await openLog(new Secret(url), systemClock);
    const all: Recorded[] = [];
    for (let at = START, through: Position | null = null; through !== at; ) {
      if (through !== null) at = through;
      const slice = await log.readAll(at, 1_000);
      all.push(...slice.events);
      through = slice.through;
    }
    await close();
    return all;
  };
  const topicsAre = async (generation: number, url: string, begin: Position = START) => {
    const topics = { brokers, prefix, generation, partitions: PARTITIONS };
    let why: unknown;
    await until('the topics hold the log', () =>
      events(url)
        .then((log) => assertTopicsAreTheLog(topics, log, begin))
        .catch((error) => {
          why = error;
          return false;
        }),
    ).catch((error) => assert.fail(`${error.message}: ${why}`));
  };

  const old = await startAll(inPostgres, ['projector', 'relay', 'api']);
  await fed(1, inPostgres);
  await issue(old[2]!, 10);
  await topicsAre(1, database);
  await succeed(inPostgres, 'log', 'copy', '--to', standIn.url);
  await issue(old[2]!, 10);
  // At its end it tells what was used: events of the old log, as all others.
  await stopAll(old.splice(2));
  await until('nothing waits for the relay', async () => {
    const status = JSON.parse(await succeed(inPostgres, 'relay', 'status', '--json'));
    return status.waitingSince === null && status.position === status.head;
  });
  await topicsAre(1, database);
  await stopAll(old);
  await succeed(inPostgres, 'log', 'copy', '--to', standIn.url);
  await succeed(inPostgres, 'log', 'verify', '--to', standIn.url);

  for (const role of ['projector', 'relay'] as const) {
    const early = await launchRole(t, role, { env: inEventStore }).ended;
    assert.match(early.stderr, /The log was replaced.*plinth log restored/, role);
  }
  const rebuilt = await settleEpoch(inEventStore);
  assert.deepEqual([...rebuilt].sort(), projectionCatalogue.map(({ name }) => name).sort());
  // They may run already: the relay says what is to be done, and goes on once it is.
  const [projector, relay] = await startAll(inEventStore, ['projector', 'relay']);
  await until('the relay says what to do', () =>
    /"state":"halted","problem":"[^"]*plinth log restored[^"]*plinth relay restart/.test(relay!.stdout()),
  );
  assert.equal((await readyz(relay!)).status, 503);
  assert.equal((await generations(inEventStore)).key_list, null, 'the topics of the old log feed nobody');
  await topicsAre(1, database);

  const restarted = JSON.parse(await succeed(inEventStore, 'relay', 'restart', '--json'));
  assert.equal(restarted.generation, 2);
  await fed(2, inEventStore);
  const others = await startAll(inEventStore, ['projector', 'api']);
  await issue(others[1]!, 10);
  const client = new PlinthClient({ url: others[1]!.url, key: await adminKey(folder) });
  for (const [id, name] of names) assert.equal((await client.getKey(id)).name, name);
  await topicsAre(2, standIn.url, restarted.position);
  await topicsAre(1, database);
  for (const projection of rebuilt) await succeed(inEventStore, 'projections', 'verify', projection);
  await until('all are ready', async () => {
    const answers = await Promise.all([projector!, relay!, ...others].map(readyz));
    return answers.every(({ status }) => status === 200);
  });
  await stopAll([projector!, relay!, ...others]);
});

function behind(error: PlinthClientError): null {
  assert.equal(error.code, 'projection_behind');
  return null;
}

/** Of a role that serves no API: on the port that it says it answers probes on. */
function readyz(role: PlatformProcess): Promise<Response> {
  const port = /"detail":"port (\d+)"/.exec(role.stdout())?.[1];
  return fetch(`${role.url || `http://127.0.0.1:${port}`}/readyz`);
}
