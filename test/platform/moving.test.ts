/** Moving house: the log goes to another engine and back, and whoever stood on the old one says what to do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlinthClient, type PlinthClientError } from '../../clients/node/index.ts';
import { startEventStoreStandIn } from '../eventstore/stand-in.ts';
import {
  adminKey,
  dataFolder,
  embedded,
  launchRole,
  plinth,
  startRole,
  until,
} from '../support/platform-process.ts';
import { testDatabase } from '../support/postgres.ts';

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
  const run = async (env: Record<string, string>, ...args: string[]) => {
    const ended = await plinth(args, { env });
    assert.equal(ended.code, 0, `plinth ${args.join(' ')}: ${ended.stdout}${ended.stderr}`);
    return ended.stdout;
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
  /** As `log copy` says at its end. */
  const settle = async (env: Record<string, string>) => {
    const { projections, reactors } = JSON.parse(await run(env, 'log', 'restored', '--json'));
    for (const { projection, goesOn } of projections) {
      if (!goesOn) await run(env, 'projections', 'rebuild', projection);
    }
    assert.ok(reactors.every(({ goesOn }: { goesOn: boolean }) => goesOn));
  };

  const old = await start(inPostgres);
  const oldPosition = await use(old.client);
  assert.equal((await old.platform.stop()).code, 0);

  const copied = JSON.parse(await run(inPostgres, 'log', 'copy', '--to', standIn.url, '--json'));
  assert.ok(copied.copied > 0);
  await run(inPostgres, 'log', 'verify', '--to', standIn.url);

  for (const role of ['start', 'projector'] as const) {
    const unsettled = launchRole(t, role, { env: inEventStore });
    await until(`plinth ${role} says what to do`, () =>
      /plinth log restored/.test(`${unsettled.stdout()}${unsettled.stderr()}`),
    );
    await unsettled.stop();
  }

  await settle(inEventStore);
  const moved = await start(inEventStore);
  const [key] = secrets.keys();
  await assert.rejects(
    moved.client.getKey(key!, { position: oldPosition }),
    (error: PlinthClientError) => error.status === 410,
  );
  await use(moved.client);
  await until('it is ready', async () => (await fetch(`${moved.platform.url}/readyz`)).status === 200);
  assert.equal((await moved.platform.stop()).code, 0);

  await run({ ...inEventStore, BACK: second }, 'log', 'copy', '--to', 'env:BACK', '--json');
  await run({ ...inEventStore, BACK: second }, 'log', 'verify', '--to', 'env:BACK');
  await settle(back);
  const home = await start(back);
  await use(home.client);
  await until('it is ready', async () => (await fetch(`${home.platform.url}/readyz`)).status === 200);
  for (const projection of ['keys', 'key_list']) await run(back, 'projections', 'verify', projection);
  assert.equal((await home.platform.stop()).code, 0);
  assert.equal(secrets.size, 6);
});
