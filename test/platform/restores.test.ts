/** Rehearsed restores: what each role says and does when a part of what it stands on is put back. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import pg from 'pg';
import { PlinthClient, type PlinthClientError } from '../../clients/node/index.ts';
import { testKafka } from '../support/kafka-server.ts';
import {
  adminKey,
  dataFolder,
  embedded,
  type PlatformProcess,
  plinth,
  startRole,
  until,
} from '../support/platform-process.ts';
import { testDatabase } from '../support/postgres.ts';
import { without } from '../support/servers.ts';
import { generations, settleEpoch, succeed } from '../support/settle-epoch.ts';

interface House {
  readonly env: Record<string, string>;
  readonly database: pg.Client;
  start(): Promise<{ platform: PlatformProcess; client: PlinthClient }>;
}

/** A platform on a database of its own, which a test may put back behind its back. */
async function house(t: TestContext, settings: Record<string, string> = {}): Promise<House> {
  const folder = await dataFolder(t);
  const url = await testDatabase(t);
  const env = embedded(folder, { DATABASE_URL: url, ...settings });
  const database = new pg.Client({ connectionString: url });
  await database.connect();
  t.after(() => database.end());
  return {
    env,
    database,
    async start() {
      const platform = await startRole(t, 'start', { env });
      const client = new PlinthClient({
        url: platform.url,
        key: await adminKey(folder),
        maxAttempts: 1,
        attemptTimeoutMs: 10_000,
      });
      return { platform, client };
    },
  };
}

/** What a backup of these schemas is: a copy of every table in them, by name. */
async function backup(database: pg.Client, schemas: string): Promise<() => Promise<void>> {
  const { rows } = await database.query<{ name: string; copy: string }>(
    `SELECT format('%I.%I', schemaname, tablename) AS name,
            format('backup.%I', schemaname || '/' || tablename) AS copy
       FROM pg_tables WHERE schemaname ~ $1`,
    [schemas],
  );
  await database.query('CREATE SCHEMA backup');
  await database.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  for (const { name, copy } of rows) await database.query(`CREATE TABLE ${copy} AS SELECT * FROM ${name}`);
  await database.query('COMMIT');
  return async () => {
    await database.query('BEGIN');
    await database.query(`TRUNCATE ${rows.map(({ name }) => name).join(', ')}`);
    // Foreign keys are checked at the end of each statement: the tables that others point at come first.
    const order = ['projections', 'checkpoints'];
    const rank = ({ name }: { name: string }) => {
      const at = order.findIndex((table) => name.endsWith(`.${table}`));
      return at < 0 ? order.length : at;
    };
    for (const { name, copy } of [...rows].sort((a, b) => rank(a) - rank(b))) {
      await database.query(`INSERT INTO ${name} SELECT * FROM ${copy}`);
    }
    await database.query('COMMIT');
  };
}

/** The server that took over had not yet received the last events; it hands their positions out again. */
async function loseFrom(database: pg.Client, stream: string): Promise<void> {
  await database.query('BEGIN');
  const { rows } = await database.query(
    'DELETE FROM plinth_log.events WHERE position >= (SELECT min(position) FROM plinth_log.events WHERE stream = $1) RETURNING position',
    [stream],
  );
  assert.ok(rows.length > 0);
  await database.query(
    "SELECT setval('plinth_log.positions', (SELECT max(position) FROM plinth_log.events))",
  );
  await database.query('COMMIT');
}

async function failing(url: string): Promise<Record<string, string | null>> {
  const answer = await fetch(`${url}/readyz`);
  const { checks = {} } = (await answer.json()) as {
    checks?: Record<string, { ok: boolean; detail: string | null }>;
  };
  return Object.fromEntries(
    Object.entries(checks)
      .filter(([, { ok }]) => !ok)
      .map(([name, { detail }]) => [name, detail]),
  );
}

test('read models that were put back under a running platform catch up by themselves, and no revoked key is good meanwhile', async (t) => {
  const { database, start } = await house(t);
  const { platform, client } = await start();
  const revoked = await client.issueKey({ name: 'to be revoked' });
  const kept = await client.issueKey({ name: 'kept' });
  assert.equal((await client.verify({ key: revoked.secret! }, { position: kept.position! })).code, 'VALID');
  assert.equal((await client.getKey(kept.key.id, { position: kept.position! })).name, 'kept');
  const restore = await backup(database, '^(plinth|rm_.*)$');
  await client.revokeKey(revoked.key.id, { reason: 'leaked' });
  const later = await client.issueKey({ name: 'later' });
  assert.equal((await client.getKey(later.key.id, { position: later.position! })).name, 'later');
  assert.equal((await client.verify({ key: revoked.secret! })).code, 'REVOKED');

  await restore();

  // Its rows say for a moment that it is good; nobody may believe them.
  for (let i = 0; i < 100; i++) {
    const code = await client.verify({ key: revoked.secret! }).then(
      (verdict) => verdict.code,
      (error: PlinthClientError) => error.code,
    );
    assert.ok(code === 'REVOKED' || code === 'verify_stale', code);
  }
  await until('the read models are back', async () => {
    const key = await client.getKey(later.key.id, { position: later.position! }).catch(() => null);
    return key?.name === 'later';
  });
  assert.equal((await client.verify({ key: kept.secret! })).code, 'VALID');
  assert.equal((await client.getKey(revoked.key.id)).status, 'revoked');
  await until('it is ready', async () => Object.keys(await failing(platform.url)).length === 0);
  assert.equal((await platform.stop()).code, 0);
});

test('a key store that was put back to before an erasure forgets again, under a running platform and at a start', async (t) => {
  const { database, env, start } = await house(t);
  const first = await start();
  const issued = await first.client.issueKey({ name: 'Ada’s laptop', ownerId: 'ada' });
  assert.equal(
    (await first.client.getKey(issued.key.id, { position: issued.position! })).name,
    'Ada’s laptop',
  );
  const restore = await backup(database, '^plinth_keys$');
  await first.client.eraseSubject('ada');
  const keysLeft = async () => {
    const { rows } = await database.query(
      "SELECT count(*)::int AS n FROM plinth_keys.data_keys WHERE subject = 'ada' AND wrapped IS NOT NULL",
    );
    return rows[0].n as number;
  };
  await until('the key is destroyed', async () => (await keysLeft()) === 0);

  await restore();
  assert.equal(await keysLeft(), 1, 'the store has the key back');
  await until('the key is destroyed again', async () => (await keysLeft()) === 0);
  assert.equal((await first.client.getKey(issued.key.id)).name, null);
  assert.equal((await first.platform.stop('SIGINT')).code, 0);

  await restore();
  const second = await start();
  assert.equal(await keysLeft(), 0, 'a start forgets before it serves');
  for await (const change of second.client.keyHistory(issued.key.id)) {
    assert.doesNotMatch(JSON.stringify(change), /laptop/);
  }
  const rebuilt = await plinth(['projections', 'rebuild', 'keys'], { env });
  assert.equal(rebuilt.code, 0, rebuilt.stderr);
  assert.equal((await second.client.getKey(issued.key.id)).name, null);
  assert.equal((await second.platform.stop()).code, 0);
});

test('a failover that lost the last events under a running platform stops what went on from them, and says what to do', async (t) => {
  const { database, env, start } = await house(t);
  const { platform, client } = await start();
  const kept = await client.issueKey({ name: 'kept' });
  const lost = await client.issueKey({ name: 'lost' });
  assert.equal((await client.getKey(lost.key.id, { position: lost.position! })).name, 'lost');
  assert.equal((await client.verify({ key: lost.secret! })).code, 'VALID');

  await loseFrom(database, `key-${lost.key.id}`);
  const reused = await client.issueKey({ name: 'reuses the position' }).catch(() => null);

  await until('/readyz names the projection', async () => 'projection:keys' in (await failing(platform.url)));
  assert.match(
    (await failing(platform.url))['projection:keys']!,
    /restored or copied, run `plinth log restored`.*rebuild keys/,
  );
  await until('verify trusts nothing', async () => {
    const code = await client.verify({ key: lost.secret! }).then(
      (verdict) => verdict.code,
      (error: PlinthClientError) => error.code,
    );
    assert.ok(
      ['VALID', 'verify_stale', 'log_epoch_changed'].includes(code),
      `what is lost is denied: ${code}`,
    );
    return code === 'log_epoch_changed';
  });
  assert.match((await failing(platform.url)).verify!, /^The log .*was replaced: .*plinth log restored/);
  assert.equal((await fetch(`${platform.url}/livez`)).status, 200);
  assert.match(platform.stdout(), /a projection waits for an operator/);
  await platform.stop('SIGINT');

  assert.ok((await settleEpoch(env)).includes('keys'));
  const after = await start();
  await until('it is ready', async () => Object.keys(await failing(after.platform.url)).length === 0);
  assert.equal((await after.client.verify({ key: kept.secret! })).code, 'VALID');
  assert.equal((await after.client.verify({ key: lost.secret! })).code, 'NOT_FOUND');
  if (reused) assert.equal((await after.client.verify({ key: reused.secret! })).code, 'VALID');
  assert.equal((await after.platform.stop()).code, 0);
});

test('a failover that lost what the topics hold stops the relay and what it feeds; new topics begin where the log ends', {
  skip: without('kafka'),
}, async (t) => {
  const { brokers, prefix } = await testKafka();
  const { database, env, start } = await house(t, {
    KAFKA_BROKERS: brokers.join(','),
    KAFKA_TOPIC_PREFIX: prefix,
    KAFKA_PARTITIONS: '3',
  });
  const { platform, client } = await start();
  const fed = (generation: number) =>
    until(`generation ${generation} feeds the lists`, async () => {
      const by = await generations(env);
      return by.key_list === generation && by.tenants === generation;
    });
  const listed = (by: PlinthClient, id: string) =>
    by.getKey(id).then(
      ({ name }) => name,
      (error: PlinthClientError) => (error.status === 404 ? null : Promise.reject(error)),
    );
  await fed(1);
  const kept = await client.issueKey({ name: 'kept' });
  const lost = await client.issueKey({ name: 'lost' });
  await until('the topics brought it', async () => (await listed(client, lost.key.id)) === 'lost');

  await loseFrom(database, `key-${lost.key.id}`);
  await until('/readyz names the relay and what it feeds', async () => {
    const checks = await failing(platform.url);
    return 'relay' in checks && 'projection:key_list' in checks && 'projection:tenants' in checks;
  });
  const checks = await failing(platform.url);
  assert.match(checks.relay!, /plinth log restored.*plinth relay restart/);
  assert.match(checks['projection:key_list']!, /plinth log restored.*rebuild key_list/);
  await platform.stop('SIGINT');

  assert.ok((await settleEpoch(env)).includes('key_list'));
  const { generation } = JSON.parse(await succeed(env, 'relay', 'restart', '--json'));
  assert.equal(generation, 2);
  const after = await start();
  await fed(2);
  const again = await after.client.issueKey({ name: 'again' });
  await until('the topics brought it', async () => (await listed(after.client, again.key.id)) === 'again');
  assert.equal(await listed(after.client, kept.key.id), 'kept');
  assert.equal(await listed(after.client, lost.key.id), null);
  await until('it is ready', async () => Object.keys(await failing(after.platform.url)).length === 0);
  await succeed(env, 'projections', 'verify', 'key_list');

  // Put back to a moment that lacks nothing which anyone has applied: all go on, in topics of their own.
  assert.deepEqual(await settleEpoch(env), []);
  await until('the relay waits', async () => 'relay' in (await failing(after.platform.url)));
  assert.equal((await generations(env)).key_list, null, 'the topics are of the old epoch');
  await succeed(env, 'relay', 'restart');
  await fed(3);
  await until('it is ready', async () => Object.keys(await failing(after.platform.url)).length === 0);
  assert.equal(await listed(after.client, kept.key.id), 'kept');
  assert.equal((await after.platform.stop()).code, 0);
});
