import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import pg from 'pg';
import { PlinthClient } from '../../clients/node/index.ts';
import {
  adminKey,
  dataFolder,
  embedded,
  embeddedUrl,
  plinth,
  startRole,
  until,
} from '../support/platform-process.ts';

/** Every form in which a secret might lie about. */
function forms(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [
    secret,
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
    bytes.toString('hex'),
  ];
}

/** Every row of every table that is not PostgreSQL's own, as text; bytes also as the text that they may be. */
async function dump(url: string): Promise<Map<string, string>> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
       WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`,
    );
    const texts = new Map<string, string>();
    for (const { name } of tables) {
      const { rows } = await client.query({ text: `SELECT * FROM ${name}`, rowMode: 'array' });
      const cells = rows.flat().flatMap((cell: unknown) => {
        if (Buffer.isBuffer(cell))
          return [cell.toString('latin1'), cell.toString('utf8'), cell.toString('hex')];
        return [typeof cell === 'object' ? JSON.stringify(cell) : String(cell)];
      });
      texts.set(name, cells.join('\n'));
    }
    return texts;
  } finally {
    await client.end();
  }
}

test('secrets are nowhere but where they were told, and what people wrote is not in the log', async (t) => {
  const folder = await dataFolder(t);
  const env = embedded(folder, { PLINTH_LOG_LEVEL: 'trace' });
  const platform = await startRole(t, 'start', { env });
  const { url } = platform;
  const admin = await adminKey(folder);
  const client = new PlinthClient({ url, key: admin });
  const bodies: string[] = [];
  const call = async (path: string, init: RequestInit = {}) => {
    const answer = await fetch(`${url}${path}`, init);
    bodies.push(`${JSON.stringify([...answer.headers])}\n${await answer.text()}`);
  };

  const personal = {
    name: 'Augusta King canary-name',
    metadata: 'canary-metadata-51',
    reason: 'canary-reason because she left',
    source: 'canary-source a paste bin',
    tenant: 'Canary-Tenant GmbH',
  };
  const issued = await client.issueKey({
    name: personal.name,
    ownerId: 'owner-1',
    metadata: { note: personal.metadata },
    credits: { remaining: 100, refill: null },
    limits: [{ name: 'burst', limit: 100, windowSeconds: 60 }],
  });
  const rotated = await client.rotateKey(issued.key.id, { overlapSeconds: 60 });
  const tenant = await client.createTenant({ slug: 'canary', name: personal.tenant });
  const manager = await client.issueAdminKey(tenant.id);
  const leaked = await client.issueKey({});
  for (const key of [issued.secret!, rotated.secret!, leaked.secret!]) {
    await until('it verifies', async () => (await client.verify({ key })).valid);
  }
  await client.reportLeak({ key: leaked.secret!, source: personal.source, revoke: true });
  await client.disableKey(issued.key.id, { reason: personal.reason });
  await client.enableKey(issued.key.id, {});
  await client.revokeOwnerKeys('owner-1', { reason: personal.reason });

  // Secrets where they do not belong: in the path, in the query, in wrong fields, in broken bodies.
  const json = { 'content-type': 'application/json' };
  const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
  const secrets = [issued.secret!, rotated.secret!, leaked.secret!, manager.secret!, admin];
  for (const secret of secrets) {
    await call(`/v1/keys/${secret}`, { headers: bearer(admin) });
    await call(`/v1/${secret}?key=${secret}`, { headers: bearer(secret) });
    await call(`/v1/keys?cursor=${secret}&q=${secret}`, { headers: bearer(admin) });
    const bad = { method: 'POST', headers: { ...json, ...bearer(admin) } };
    await call('/v1/keys/verify', { ...bad, body: JSON.stringify({ key: secret, [secret]: secret }) });
    await call('/v1/keys/verify', { ...bad, body: `{"key": "${secret}` });
    await call('/v1/keys', { ...bad, body: JSON.stringify({ name: 1, scopes: [secret], use: secret }) });
    await call('/v1/whoami', {
      headers: { ...bearer(`${secret}x`), 'x-request-id': secret, traceparent: secret },
    });
    await call('/v1/keys/import', {
      ...bad,
      body: JSON.stringify({ keys: [{ digest: { algorithm: 'sha256', value: secret } }] }),
    });
  }
  await client.verify({ key: 'x' });
  const masterFile = (await readFile(join(folder, 'secrets', 'master-key'), 'utf8')).trim();
  const peppersFile = (await readFile(join(folder, 'secrets', 'peppers'), 'utf8')).trim();
  const pepper = peppersFile.slice(peppersFile.indexOf(':') + 1);
  const password = (await readFile(join(folder, 'postgres', 'password'), 'utf8')).trim();
  const raw = (text: string) => {
    const bytes = Buffer.from(text, 'base64url');
    return [bytes.toString('hex'), bytes.toString('base64').replace(/=+$/, ''), bytes.toString('latin1')];
  };
  const wanted = new Map<string, string[]>([
    ...secrets.map((secret, i): [string, string[]] => [
      `key ${i}`,
      // The last part is the secret; the id before it is public.
      [...forms(secret), ...forms(secret.split('_')[3]!)],
    ]),
    ['master key', [...forms(masterFile), ...raw(masterFile)]],
    ['pepper', [...forms(pepper), ...raw(pepper)]],
    ['password of the database', forms(password)],
  ]);

  // Usage of the verifies has been told, and the follow-up been written.
  await until('usage is told', async () => {
    const usage = await client.keyUsage(issued.key.id, { interval: 'day' });
    return usage.points.length > 0;
  });
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const tables = await dump(await embeddedUrl(folder));
  const tail = await plinth(['log', 'tail', '--count', '200', '--json'], { env });
  const ended = await platform.stop('SIGINT');
  assert.equal(ended.code, 0, ended.stderr);
  const serverLog = await readFile(join(folder, 'postgres', 'postgres.log'), 'utf8');

  const places = new Map<string, string>([
    ['log lines', ended.stdout],
    ['standard error', ended.stderr],
    ['metrics', metrics],
    ['answers', bodies.join('\n')],
    ['events in the clear', tail.stdout],
    ['log of the server', serverLog],
    ...[...tables].map(([name, text]): [string, string] => [`table ${name}`, text]),
  ]);
  assert.ok(tables.has('plinth_log.events') && tables.has('plinth_keys.data_keys') && tables.size > 8);
  assert.match(tail.stdout, /canary-name/, 'the tail is in the clear, so that it would show a secret');
  for (const [place, text] of places) {
    for (const [what, texts] of wanted) {
      const at = Math.max(...texts.map((one) => text.indexOf(one)));
      // What stands before it says who told it, and is not secret.
      assert.equal(at, -1, `${what} is in ${place} behind ${text.slice(Math.max(0, at - 300), at)}`);
    }
  }
  assert.ok(bodies.length >= 40 && ended.stdout.split('\n').length > 40, 'there was something to look into');

  const events = tables.get('plinth_log.events')!;
  assert.ok(events.includes('owner-1'), 'what is not personal can be seen in the bytes of events');
  for (const [what, text] of Object.entries(personal)) {
    for (const form of forms(text))
      assert.ok(!events.includes(form), `the ${what} is in the log in the clear`);
    assert.ok(!ended.stdout.includes(text), `the ${what} is in the log lines`);
    assert.ok(!metrics.includes(text), `the ${what} is in the metrics`);
  }
});
