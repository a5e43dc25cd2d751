import assert from 'node:assert/strict';
import { cp, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import pg from 'pg';
import { PlinthClient, type PlinthClientError } from '../../clients/node/index.ts';
import {
  adminKey,
  dataFolder,
  embedded,
  embeddedUrl,
  plinth,
  startRole,
  until,
} from '../support/platform-process.ts';

async function ok(args: string[], env: Record<string, string>): Promise<string> {
  const ended = await plinth(args, { env });
  assert.equal(ended.code, 0, `${args.join(' ')}: ${ended.stderr}`);
  return ended.stdout;
}

test('a log that is exported while it runs and imported elsewhere under the same secrets verifies the same keys', async (t) => {
  const folder = await dataFolder(t);
  const from = await startRole(t, 'start', { env: embedded(folder) });
  const key = await adminKey(folder);
  const client = new PlinthClient({ url: from.url, key });
  const kept = await client.issueKey({ name: 'Ada’s key', ownerId: 'ada', scopes: ['a:read'] });
  const gone = await client.issueKey({ name: 'gone' });
  await client.revokeKey(gone.key.id, { reason: 'lost' });

  const log = join(folder, 'log.backup');
  const keys = join(folder, 'keys.backup');
  const told = JSON.parse(await ok(['log', 'export', log, '--keys', keys, '--json'], embedded(folder)));
  assert.ok(told.events >= 5 && told.dataKeys >= 1);
  for (const file of [log, keys]) assert.equal((await stat(file)).mode & 0o777, 0o600);
  const twice = await plinth(['log', 'export', log, '--keys', keys], { env: embedded(folder) });
  assert.equal(twice.code, 1);
  assert.match(twice.stderr, /^plinth: .*log\.backup exists already: .*Nothing was exported\.\n$/);
  assert.equal((await from.stop('SIGINT')).code, 0);

  const other = await dataFolder(t);
  const refused = await plinth(['log', 'import', log, '--keys', keys], { env: embedded(other) });
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /^plinth: The backup was made under another keyring \(master is another one here, pepper 1 is another one here\): .*Nothing was imported\.\n$/,
  );
  assert.equal(JSON.parse(await ok(['log', 'stats', '--json'], embedded(other))).events, 0);

  const damaged = join(folder, 'damaged.backup');
  await writeFile(damaged, (await readFile(keys, 'utf8')).replace(/"wrapped":"./, '"wrapped":"_'));
  const to = await dataFolder(t);
  await mkdir(join(to, 'secrets'), { mode: 0o700 });
  await cp(join(folder, 'secrets'), join(to, 'secrets'), { recursive: true });
  const broken = await plinth(['log', 'import', log, '--keys', damaged], { env: embedded(to) });
  assert.equal(broken.code, 1);
  assert.match(broken.stderr, /^plinth: .*damaged\.backup is not as it was written: its digest differs/);
  assert.equal(JSON.parse(await ok(['log', 'stats', '--json'], embedded(to))).events, 0);

  const imported = JSON.parse(await ok(['log', 'import', log, '--keys', keys, '--json'], embedded(to)));
  assert.equal(imported.events, told.events);
  assert.notEqual(imported.epoch, told.epoch);
  const again = await plinth(['log', 'import', log, '--keys', keys], { env: embedded(to) });
  assert.match(again.stderr, /^plinth: The log is not empty: .*Nothing was imported\.\n$/);

  const there = await startRole(t, 'start', { env: embedded(to) });
  const restored = new PlinthClient({ url: there.url, key });
  assert.equal((await restored.verify({ key: kept.secret!, scopes: 'a:read' })).code, 'VALID');
  assert.equal((await restored.verify({ key: gone.secret! })).code, 'REVOKED');
  assert.equal((await restored.getKey(kept.key.id)).name, 'Ada’s key', 'what people wrote can be read');
  await assert.rejects(
    restored.getKey(kept.key.id, { position: kept.position! }),
    (error: PlinthClientError) => error.status === 410 && error.code === 'epoch_gone',
  );
  assert.equal((await there.stop()).code, 0);
});

test('after a restore that lost the tail, `log restored` says what goes on and what to rebuild; then all goes on', async (t) => {
  const folder = await dataFolder(t);
  const env = embedded(folder);
  const before = await startRole(t, 'start', { env });
  const client = new PlinthClient({ url: before.url, key: await adminKey(folder) });
  const kept = await client.issueKey({ name: 'kept', ownerId: 'ada' });
  const followed = await client.issueKey({ ownerId: 'eve' });
  await client.revokeOwnerKeys('eve', { reason: 'left' });
  // The reactor has a checkpoint from here on.
  await until('the follow-up', async () => {
    for await (const change of client.keyHistory(followed.key.id))
      if (change.type === 'key.revoked') return true;
    return false;
  });
  const lost = await client.issueKey({ name: 'lost' });
  assert.equal((await before.stop('SIGINT')).code, 0);

  // What a restore to the moment before the last issue does to the log, and to nothing else.
  const holding = await startRole(t, 'projector', { env });
  const database = new pg.Client({ connectionString: await embeddedUrl(folder) });
  await database.connect();
  const { rows } = await database.query(
    'DELETE FROM plinth_log.events WHERE position >= (SELECT min(position) FROM plinth_log.events WHERE stream = $1) RETURNING position',
    [`key-${lost.key.id}`],
  );
  assert.ok(rows.length > 0);
  await database.end();
  const restored = JSON.parse(await ok(['log', 'restored', '--json'], env));
  assert.deepEqual(restored.reactors, [
    { reactor: 'owner-revocation', goesOn: true },
    { reactor: 'flag-spread', goesOn: true },
  ]);
  assert.equal((await holding.stop()).code, 0);
  const byName = new Map<string, { goesOn: boolean; next: string | null }>(
    restored.projections.map((p: { projection: string }) => [p.projection, p]),
  );
  assert.equal(byName.get('keys')!.goesOn, false);
  assert.equal(byName.get('keys')!.next, 'plinth projections rebuild keys');
  for (const [name, { goesOn }] of byName) if (!goesOn) await ok(['projections', 'rebuild', name], env);

  const after = await startRole(t, 'start', { env });
  const now = new PlinthClient({ url: after.url, key: await adminKey(folder) });
  const ready = await fetch(`${after.url}/readyz`);
  assert.equal(ready.status, 200, await ready.text());
  assert.equal((await now.verify({ key: kept.secret! })).code, 'VALID');
  assert.equal((await now.verify({ key: followed.secret! })).code, 'REVOKED');
  assert.equal((await now.verify({ key: lost.secret! })).code, 'NOT_FOUND');
  await now.revokeOwnerKeys('ada', { reason: 'left too' });
  await until('the reactor goes on', async () => {
    for await (const change of now.keyHistory(kept.key.id)) if (change.type === 'key.revoked') return true;
    return false;
  });
  assert.doesNotMatch(after.stdout(), /"state":"halted"/);
  assert.equal((await after.stop()).code, 0);
});
