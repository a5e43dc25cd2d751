import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlinthClient } from '../../clients/node/index.ts';
import { testKafka } from '../support/kafka-server.ts';
import { adminKey, dataFolder, embedded, startRole, until } from '../support/platform-process.ts';
import { testDatabase } from '../support/postgres.ts';
import { without } from '../support/servers.ts';
import { generations, succeed } from '../support/settle-epoch.ts';

type Checks = Record<string, { ok: boolean; detail: string | null; fedBy?: string; generation?: number }>;
interface Listed {
  readonly name: string;
  readonly fedBy: string;
  readonly generation: number | null;
  readonly problem: string | null;
  readonly runBy: readonly string[] | null;
}

test('a dead relay is named as the cause by whatever shows that projections stand still, until another works', {
  skip: without('kafka'),
}, async (t) => {
  const { brokers, prefix } = await testKafka();
  const folder = await dataFolder(t);
  const env = embedded(folder, {
    DATABASE_URL: await testDatabase(t),
    KAFKA_BROKERS: brokers.join(','),
    KAFKA_TOPIC_PREFIX: prefix,
    KAFKA_PARTITIONS: '3',
    PLINTH_HEALTH_PORT: '0',
  });
  const api = await startRole(t, 'api', { env });
  const [projector, relay] = await Promise.all([
    startRole(t, 'projector', { env }),
    startRole(t, 'relay', { env }),
  ]);
  const admin = await adminKey(folder);
  const client = new PlinthClient({ url: api.url, key: admin });
  await until('Kafka feeds the lists', async () => {
    const by = await generations(env);
    return by.key_list === 1 && by.tenants === 1;
  });
  const [, port] = /"detail":"port (\d+)"/.exec(projector.stdout())!;
  const readyz = async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
    return { status: answer.status, checks: ((await answer.json()) as { checks: Checks }).checks };
  };
  const listed = async (name: string) => {
    const answer = await fetch(`${api.url}/v1/projections`, {
      headers: { authorization: `Bearer ${admin}` },
    });
    const { projections } = (await answer.json()) as { projections: Listed[] };
    return projections.find((one) => one.name === name)!;
  };
  const status = async () => JSON.parse(await succeed(env, 'relay', 'status', '--json'));
  await until('the projector is ready', async () => (await readyz()).status === 200);
  for (const [name, fedBy, generation] of [
    ['key_list', 'kafka', 1],
    ['keys', 'log', null],
  ] as const) {
    for (const told of [await listed(name), (await readyz()).checks[`projection:${name}`]!]) {
      assert.deepEqual([told.fedBy, told.generation], [fedBy, generation]);
    }
  }
  assert.match((await status()).holder, new RegExp(`^process ${relay.pid} on .* \\([0-9a-f]{16}\\)$`));
  const runBy = async (name: string) => {
    const revisions = JSON.parse(await succeed(env, 'projections', 'list', '--json'));
    const { runBy: processes, problem } = revisions.find(
      (one: Listed & { projection: string }) => one.projection === name,
    );
    return `${processes}: ${problem}`;
  };
  for (const name of ['key_list', 'keys']) {
    assert.match(await runBy(name), new RegExp(`^process ${projector.pid} on [^,]*: null$`), name);
    assert.match(`${(await listed(name)).runBy}`, new RegExp(`^process ${projector.pid} on [^,]*$`), name);
  }

  relay.kill('SIGKILL');
  await client.issueKey({ name: 'waits' });
  await until('/readyz names the relay', async () => {
    const { status: code, checks } = await readyz();
    const list = checks['projection:key_list']?.detail ?? '';
    return (
      code === 503 &&
      /plinth relay status/.test(checks.relay?.detail ?? '') &&
      /the relay stands at \d+ /.test(list)
    );
  });
  const { checks } = await readyz();
  assert.equal(checks['projection:keys']!.detail, null);
  await until('the API names the relay', async () =>
    /the relay stands at \d+ /.test((await listed('key_list')).problem ?? ''),
  );
  assert.equal((await listed('keys')).problem, null);
  assert.match(
    await succeed(env, 'projections', 'list'),
    /key_list .*Kafka, generation 1 .*the relay stands/,
  );
  const standing = await status();
  assert.equal(standing.holder, null);
  assert.ok(standing.waitingSince !== null && standing.position < standing.head);
  assert.match(await succeed(env, 'relay', 'status'), /No relay works: start `plinth relay`/);
  assert.equal((await fetch(`${api.url}/readyz`)).status, 200, 'the API goes on');

  await startRole(t, 'relay', { env });
  await until('the projector is ready', async () => (await readyz()).status === 200);
  await until('the list has nothing to say', async () => (await listed('key_list')).problem === null);

  assert.equal((await projector.stop()).code, 0);
  await until('nobody runs what it ran', async () => {
    const told = await Promise.all(['key_list', 'keys'].map(runBy));
    return told.every((one) => one === ': no projector works: start `plinth projector`');
  });
});
