import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { PlinthClient } from '../../clients/node/index.ts';
import { keyStream } from '../../commands/streams.ts';
import { projectionCatalogue } from '../../projections/catalogue.ts';
import type { EventId } from '../../schemas/envelope.ts';
import {
  adminKey,
  dataFolder,
  type Ended,
  embedded,
  embeddedUrl,
  type PlatformProcess,
  plinth,
  startRole,
  until,
} from '../support/platform-process.ts';
import { testDatabase } from '../support/postgres.ts';
import { openPostgresLogAt } from '../support/postgres-log.ts';

const KEY_TEXT = /plinth_(live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}/;

/** Looked into without a word on what is there: the schemas of the API say that. */
// biome-ignore lint/suspicious/noExplicitAny: what a verb prints is judged field by field
type Json = any;

/** `describe` has no cleanup of its own that runs last: kept here, run backwards. */
const cleanups: (() => unknown)[] = [];
const t = { after: (fn: () => unknown) => void cleanups.push(fn) };

describe('every verb, beside a running platform', { concurrency: 2 }, () => {
  let folder: string;
  let env: Record<string, string>;
  let platform: PlatformProcess;
  let client: PlinthClient;

  before(async () => {
    folder = await dataFolder(t);
    platform = await startRole(t, 'start', { env: embedded(folder) });
    env = { PLINTH_DATA_DIR: folder, PLINTH_PORT: new URL(platform.url).port };
    client = new PlinthClient({ url: platform.url, key: await adminKey(folder) });
  });
  after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });

  async function json(args: string[], exitCode = 0, input?: string): Promise<Json> {
    const ended = await plinth([...args, '--json'], { env, ...(input === undefined ? {} : { input }) });
    assert.equal(ended.code, exitCode, `${args.join(' ')}: ${ended.stderr}`);
    return parsed(args, ended);
  }
  function parsed(args: string[], ended: Ended): Json {
    try {
      return JSON.parse(ended.stdout);
    } catch {
      assert.fail(`${args.join(' ')} --json printed ${ended.stdout.slice(0, 300)}`);
    }
  }

  test('plinth keys: issued, looked at, rotated, switched off and on, explained', async () => {
    const issued = await json([
      ...['keys', 'issue', '--name', 'first', '--owner', 'owner-1', '--scope', 'a:read', 'a:write'],
      ...['--limit', 'burst=2/3600', '--credits', '50', '--metadata', '{"team":"x"}'],
      ...['--expires-at', '2999-01-01T00:00:00Z', '--allow-ip', '203.0.113.0/24'],
    ]);
    const id = String(issued.key!.id);
    const secret = String(issued.secret);
    assert.match(secret, KEY_TEXT);

    assert.equal((await json(['keys', 'get', id])).name, 'first');
    assert.equal((await json(['keys', 'list', '--owner', 'owner-1'])).length, 1);
    const ip = ['--ip', '203.0.113.9'];
    assert.equal((await json(['keys', 'verify', secret, '--scope', 'a:read', ...ip])).code, 'VALID');
    assert.equal((await json(['keys', 'verify', ...ip], 0, `${secret}\n`)).code, 'VALID');
    assert.equal((await json(['keys', 'verify', secret, ...ip], 2)).code, 'RATE_LIMITED');

    assert.match(String((await json(['keys', 'rotate', id, '--overlap', '60'])).secret), KEY_TEXT);
    assert.equal((await json(['keys', 'disable', id, '--reason', 'pause'])).status, 'disabled');
    assert.equal((await json(['keys', 'enable', id])).status, 'active');
    const told = await json(['keys', 'explain', id, '--as-of', new Date().toISOString(), ...ip]);
    assert.equal(told.code, 'VALID');
    const history = await json(['keys', 'history', id]);
    const types = history.map((change: Json) => change.type).filter((type: string) => !/credits/.test(type));
    assert.deepEqual(types, ['key.issued', 'key.rotated', 'key.disabled', 'key.enabled']);
    assert.ok(Array.isArray(await json(['keys', 'unused', '--days', '1'])));
    assert.ok((await json(['keys', 'usage', id, '--interval', 'minute'])).points);
  });

  test('plinth keys: imported, revoked by id and by owner, found leaked', async () => {
    const file = join(folder, 'foreign.txt');
    await writeFile(file, 'an-old-key-1\nan-old-key-2\n');
    const imported = await json(['keys', 'import', file, '--owner', 'owner-2', '--scope', 'a:read']);
    assert.equal(imported.length, 2);
    await rm(file);

    const leaked = await client.issueKey({ name: 'leaked' });
    const leak = await json(['keys', 'leaked', '--source', 'a log', '--revoke'], 0, leaked.secret!);
    assert.equal(leak.revoked, true);

    const one = await client.issueKey({});
    const revoked = await json(['keys', 'revoke', one.key.id, '--reason', 'lost']);
    assert.equal(revoked.length, 1);
    const partly = await json(['keys', 'revoke', one.key.id, 'key_000000000000'], 1);
    assert.equal(partly.length, 2);
    assert.ok((await json(['keys', 'revoke', '--owner', 'owner-2'])).ownerId);
  });

  test('plinth tenants', async () => {
    const made = await json(['tenants', 'create', 'acme', '--name', 'Acme']);
    const id = String(made.id);
    assert.equal((await json(['tenants', 'get', id])).slug, 'acme');
    await until('it is listed', async () => Number((await json(['tenants', 'list'])).length) === 2);
    const issued = await json(['tenants', 'admin-key', id]);
    assert.match(String(issued.secret), KEY_TEXT);
    assert.equal((await json(['tenants', 'suspend', id, '--reason', 'unpaid'])).status, 'suspended');
    assert.equal((await json(['tenants', 'resume', id])).status, 'active');
  });

  test('plinth subjects', async () => {
    const { key } = await client.issueKey({ name: 'Ada', ownerId: 'ada' });
    assert.equal((await json(['subjects', 'get', 'ada'])).erasedAt, null);
    assert.ok(await json(['subjects', 'erase', 'ada']));
    assert.ok((await json(['subjects', 'get', 'ada'])).erasedAt);
    await until('the name is gone', async () => (await client.getKey(key.id)).name === null);
  });

  test('plinth projections: listed, verified, rebuilt while it serves, parked streams replayed and discarded', async (context) => {
    const list = (await json(['projections', 'list'])) as { projection: string; state: string }[];
    const names = list.filter(({ state }) => state === 'current').map(({ projection }) => projection);
    assert.deepEqual(names.sort(), projectionCatalogue.map(({ name }) => name).sort());

    const spoilt = await client.issueKey({ name: 'spoilt' });
    const { log } = await openPostgresLogAt(context, await embeddedUrl(folder));
    const stream = keyStream(spoilt.key.id);
    const [issued] = await log.readStream(stream);
    const { tenant } = JSON.parse(Buffer.from(issued!.metadata).toString());
    const metadata = {
      ...{ tenant, actor: 'system:test', commandId: randomUUID() },
      ...{ requestDigest: null, correlationId: 'test', causationId: null, traceparent: null },
    };
    const appended = await log.append(stream, 'any', [
      {
        ...{ id: randomUUID() as EventId, type: 'key.scopes-changed', schemaVersion: 1, timeMs: Date.now() },
        ...{ nonce: randomBytes(16), data: Buffer.from('{"scopes":"none"}') },
        metadata: Buffer.from(JSON.stringify(metadata)),
      },
    ]);
    assert.ok(appended.ok);
    let parked: Json[] = [];
    await until('it is parked', async () => {
      parked = await json(['projections', 'parked', 'keys']);
      return parked.length === 1;
    });
    assert.equal(parked[0]!.stream, stream);
    await client.issueKey({ name: 'behind it' });
    const tail = await plinth(['log', 'tail', '--count', '500'], { env });
    assert.equal(tail.code, 0, tail.stderr);
    const [, ...behind] = tail.stdout.split(/^.*cannot be read \(UndecodableEvent.*\) {2}id .*$/m);
    assert.match(behind.join(), /key\.issued .*behind it/, tail.stdout);
    const replay = await json(['projections', 'replay', 'keys', stream]);
    assert.equal(replay.projection, 'keys');
    const version = String(parked[0]!.firstVersion);
    const discard = await json(['projections', 'discard', 'keys', stream, '--version', version]);
    assert.equal(discard.version, Number(version));
    await until(
      'it flows again',
      async () => Number((await json(['projections', 'parked', 'keys'])).length) === 0,
    );
    const unparked = await plinth(['projections', 'replay', 'keys', stream], { env });
    assert.equal(unparked.code, 1);
    assert.match(unparked.stderr, /^plinth: .* is not parked in keys: .*\.\n$/);

    assert.equal((await json(['projections', 'verify', 'keys'])).differences, 0);
    const rebuilt = await json(['projections', 'rebuild', 'keys']);
    assert.ok(Number(rebuilt.revision) >= 2);
    await until(
      'the new revision serves',
      async () => (await fetch(`${platform.url}/readyz`)).status === 200,
    );
    const { secret, position } = await client.issueKey({});
    const verdict = await client.verify({ key: secret! }, position === null ? {} : { position });
    assert.equal(verdict.code, 'VALID');
    assert.equal((await json(['projections', 'verify', 'tenants'])).differences, 0);

    const unknown = await plinth(['projections', 'rebuild', 'nothing'], { env });
    assert.equal(unknown.code, 1);
    const all = projectionCatalogue.map(({ name }) => name).join(', ');
    assert.equal(unknown.stderr, `plinth: There is no projection "nothing": there are ${all}.\n`);
  });

  test('plinth log, admin and settings', async () => {
    const tail = await plinth(['log', 'tail', '--count', '40', '--json'], { env });
    const lines = tail.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.ok(lines.length >= 1 && lines.length <= 40, tail.stderr);
    assert.ok(lines.every(({ position, time, type }) => position && time && type));
    for (const wrong of [
      '5',
      'yesterday',
      `${'0'.repeat(8)}-0000-4000-8000-${'0'.repeat(12)}.${'0'.repeat(20)}`,
    ]) {
      const refused = await plinth(['log', 'tail', '--after', wrong], { env });
      assert.notEqual(refused.code, 0);
      assert.match(refused.stderr, /^plinth: .* is (?:no position|a position of a history that is gone)/);
    }
    const after = await plinth(['log', 'tail', '--after', lines[0].position, '--json'], { env });
    assert.equal(JSON.parse(after.stdout.split('\n')[0]!).position, lines[1]?.position);
    const stats = await json(['log', 'stats']);
    assert.ok(Number(stats.events) > 3 && Number(stats.bytes) > 100);
    const copyUrl = await testDatabase(t);
    const copyEnv = { ...env, COPY_URL: copyUrl };
    const differs = await plinth(['log', 'verify', '--to', 'env:COPY_URL'], { env: copyEnv });
    assert.equal(differs.code, 1);
    assert.match(
      differs.stderr,
      /^plinth: The logs differ: after 0 equal events, event 1 is .* and nothing more/m,
    );
    const copied = await plinth(['log', 'copy', '--to', 'env:COPY_URL', '--json'], { env: copyEnv });
    assert.ok(JSON.parse(copied.stdout).copied > 3, copied.stderr);
    const same = await plinth(['log', 'verify', '--from', 'env:COPY_URL', '--to', 'env:COPY_URL'], {
      env: copyEnv,
    });
    assert.match(same.stderr, /^plinth: --from and --to name the same log\.\n$/);
    const wrong = await plinth(['log', 'copy', '--to', 'mysql://root:hunter2@db/x'], { env });
    assert.match(wrong.stderr, /^plinth: .* names no log: give postgres:/);
    assert.doesNotMatch(wrong.stderr, /hunter2/);
    const repeppered = await json(['admin', 'repepper']);
    assert.equal(repeppered.repeppered, 0);
    assert.ok(Number(repeppered.refused) <= 1, 'a parked key holds up none of the others');
    assert.ok(Number((await json(['settings'])).length) > 10);
    const faulty = await plinth(['settings'], { env: { ...env, PLINTH_PORT: 'http' } });
    assert.equal(faulty.code, 78);
    assert.match(faulty.stderr, /PLINTH_PORT/);
    assert.ok((await json(['admin', 'recover'])).keyId);
  });

  test('what a person reads is no JSON, and help of every command prints', async () => {
    const list = await plinth(['keys', 'list'], { env });
    assert.match(list.stdout, /^(ID +STATUS|There are none)/);
    const groups: Record<string, string[]> = {
      keys: [
        ...['issue', 'list', 'unused', 'get', 'rotate', 'revoke', 'disable', 'enable', 'verify', 'explain'],
        ...['history', 'usage', 'leaked', 'import'],
      ],
      tenants: ['create', 'list', 'get', 'suspend', 'resume', 'admin-key'],
      subjects: ['erase', 'get'],
      projections: ['list', 'rebuild', 'verify', 'parked', 'replay', 'discard'],
      log: ['tail', 'stats', 'restored', 'export', 'import', 'copy', 'verify'],
      admin: ['recover', 'repepper'],
    };
    const top = await plinth(['--help'], { env });
    const single = ['start', 'api', 'projector', 'relay', 'scheduler', 'settings'];
    for (const name of [...single, ...Object.keys(groups)]) {
      assert.match(top.stdout, new RegExp(`^  ${name} `, 'm'));
    }
    for (const [group, verbs] of Object.entries(groups)) {
      const help = await plinth([group, '--help'], { env });
      assert.equal(help.code, 0);
      const listed = [...help.stdout.matchAll(/^ {2}([a-z-]+) /gm)].map(([, name]) => name);
      assert.deepEqual(
        listed.filter((name) => name !== 'help'),
        verbs,
        'a verb that is not driven here',
      );
    }
    for (const verb of ['issue', 'verify', 'list']) {
      const help = await plinth(['keys', verb, '--help'], { env });
      assert.match(help.stdout, /^Usage: plinth keys /);
    }
  });

  test('a mistake at the command line is told in a sentence', async () => {
    const noKey = await plinth(['keys', 'list'], { env: { ...env, PLINTH_KEY: 'plinth_live_nonsense' } });
    assert.notEqual(noKey.code, 0);
    assert.match(noKey.stderr, /PLINTH_KEY|unauthenticated|credential/i);
    const gone = await plinth(['keys', 'list'], { env: { ...env, PLINTH_PORT: '1' } });
    assert.equal(gone.code, 1);
    assert.match(gone.stderr, /^plinth: http:\/\/127\.0\.0\.1:1 did not answer.*\.\n$/);
    const missing = await plinth(['keys', 'get', 'key_000000000000'], { env });
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /^plinth: .*\n$/);
    const file = await plinth(['keys', 'import', '/no/such/file'], { env });
    assert.match(file.stderr, /^plinth: \/no\/such\/file does not exist\.\n$/);
    const typo = await plinth(['keys', 'isue'], { env });
    assert.match(typo.stderr, /unknown command 'isue'/);
    for (const ended of [noKey, gone, missing, file, typo]) assert.doesNotMatch(ended.stderr, /^\s+at /m);
  });
});
