/** Every route of the document × every kind of credential. A new route is here as soon as it is declared. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { permissions, platformDomains } from '../schemas/permissions.ts';
import { type Operation, operationsOf, type Parameter } from '../test/support/openapi-operations.ts';
import { valueMaker } from '../test/support/openapi-values.ts';
import { type RunningApp, runningApp } from '../test/support/running-app.ts';
import { seededRandom } from '../test/support/seeded-random.ts';

/** The routes that need no credential, by name: whoever adds one says so here. */
const publicRoutes = [
  'GET /docs',
  'GET /docs/scalar.js',
  'GET /docs/start.js',
  'GET /livez',
  'GET /metrics',
  'GET /openapi.json',
  'GET /problems',
  'GET /problems/{code}',
  'GET /readyz',
];

interface Answer {
  readonly status: number;
  readonly code: string | undefined;
  readonly text: string;
}

interface Credentials {
  readonly expired: string;
  readonly revoked: string;
  readonly apiKey: string;
  /** By permission: a key that carries every other one. */
  readonly lacking: ReadonlyMap<string, string>;
}

describe('credentials', () => {
  let running: RunningApp;
  let operations: readonly Operation[];
  let credentials: Credentials;
  const cleanups: (() => unknown)[] = [];

  before(async () => {
    running = await runningApp({ after: (fn) => cleanups.push(fn) });
    operations = operationsOf(running.document);
    credentials = await prepare(running);
  });
  after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });

  const call = async (operation: Operation, credential: string | null, request: Made): Promise<Answer> => {
    const answer = await running.app.inject({
      method: operation.method,
      url: request.url,
      headers: credential === null ? {} : { authorization: credential },
      ...(request.body === undefined ? {} : { payload: request.body as object }),
    });
    const isProblem = String(answer.headers['content-type']).startsWith('application/problem+json');
    return {
      status: answer.statusCode,
      code: isProblem ? answer.json<{ code: string }>().code : undefined,
      text: answer.payload,
    };
  };

  test('the public routes are those listed here, and answer without a credential', async () => {
    const found = operations.filter((o) => o.isPublic);
    assert.deepEqual(found.map((o) => `${o.method} ${o.path}`).sort(), publicRoutes);
    for (const operation of found) {
      const answer = await call(operation, null, made(running, operation));
      assert.ok(answer.status !== 401 && answer.status !== 403, `${operation.path}: ${answer.status}`);
    }
  });

  test('a route that is not public answers 401 to no, malformed, expired and revoked credentials', async () => {
    const bad: [string, string | null, string][] = [
      ['none', null, 'credential_missing'],
      ['malformed', 'Bearer plinth_live_nonsense', 'credential_invalid'],
      ['of another scheme', `Basic ${Buffer.from('admin:admin').toString('base64')}`, 'credential_invalid'],
      ['expired', `Bearer ${credentials.expired}`, 'credential_invalid'],
      ['revoked', `Bearer ${credentials.revoked}`, 'credential_invalid'],
      ['of use api', `Bearer ${credentials.apiKey}`, 'credential_invalid'],
      ['with one character changed', `Bearer ${changed(running.admin.secret)}`, 'credential_invalid'],
    ];
    let tried = 0;
    for (const operation of operations.filter((o) => !o.isPublic)) {
      for (const [what, credential, code] of bad) {
        const answer = await call(operation, credential, made(running, operation));
        assert.equal(answer.status, 401, `${operation.operationId}, credential ${what}: ${answer.text}`);
        // OFREP's refusals of credentials have no body.
        const told = operation.path.startsWith('/ofrep/') ? undefined : code;
        assert.equal(answer.code, told, `${operation.operationId}, credential ${what}`);
        tried++;
      }
    }
    assert.ok(tried >= 100, `${tried} were tried`);
  });

  test('a route answers 403 to a key that carries every permission but its own', async () => {
    for (const operation of operations.filter((o) => !o.isPublic)) {
      if (operation.permission === null) {
        const answer = await call(operation, `Bearer ${credentials.apiKey}`, made(running, operation));
        assert.equal(answer.status, 401);
        continue;
      }
      const lacking = credentials.lacking.get(operation.permission);
      assert.ok(lacking, `${operation.operationId} names a permission that is none: ${operation.permission}`);
      const answer = await call(operation, `Bearer ${lacking}`, made(running, operation));
      assert.equal(answer.status, 403, `${operation.operationId}: ${answer.text}`);
      assert.equal(answer.code, 'permission_denied', operation.operationId);
    }
  });

  test('what belongs to another tenant is answered like what never existed', async () => {
    const { other } = running;
    const before = await running.get(`/v1/keys/${running.key.id}`);
    for (const operation of operations.filter((o) => !o.isPublic)) {
      const bearer = `Bearer ${other.secret}`;
      const domain = operation.permission?.split(':')[0] ?? '';
      if (platformDomains.includes(domain)) {
        const answer = await call(operation, bearer, made(running, operation));
        assert.equal(answer.status, 403, `${operation.operationId}: ${answer.text}`);
        continue;
      }
      const theirs = await call(operation, bearer, made(running, operation));
      assert.ok(theirs.status < 500, `${operation.operationId}: ${theirs.text}`);
      // What the request itself named may come back; nothing else of the foreign thing.
      for (const secret of [running.key.secret, running.key.name, running.key.hint]) {
        assert.ok(!theirs.text.includes(secret), `${operation.operationId} tells ${secret}`);
      }
      if (!operation.parameters.some((p) => p.in === 'path')) continue;
      const nobodys = await call(operation, bearer, made(running, operation, 'nobody'));
      assert.deepEqual(
        { status: theirs.status, code: theirs.code, detail: detailOf(theirs) },
        { status: nobodys.status, code: nobodys.code, detail: detailOf(nobodys) },
        operation.operationId,
      );
      if (operation.parameters.some((p) => p.in === 'path' && isThing(p))) {
        assert.equal(theirs.status, 404, `${operation.operationId}: ${theirs.text}`);
        assert.equal(theirs.code, 'not_found', operation.operationId);
      }
    }
    const afterwards = await running.get(`/v1/keys/${running.key.id}`);
    assert.deepEqual(afterwards, before, 'a foreign key was changed');
  });

  test('the same requests are let in with the right credential', async () => {
    for (const operation of operations.filter((o) => !o.isPublic && !o.byToken && o.method === 'GET')) {
      const { secret } = operation.forFlagsKeys ? running.flagsKey : running.admin;
      const answer = await call(operation, `Bearer ${secret}`, made(running, operation));
      assert.ok(answer.status === 200 || answer.status === 404, `${operation.operationId}: ${answer.text}`);
    }
  });
});

function detailOf(answer: Answer): string | undefined {
  return answer.code === undefined ? undefined : (JSON.parse(answer.text) as { detail: string }).detail;
}

/** Ids that name one thing of one tenant, as opposed to names that every tenant has for itself. */
function isThing(parameter: Parameter): boolean {
  return /^\^(?:key|tnt)_/.test(String(parameter.schema.pattern ?? ''));
}

interface Made {
  readonly url: string;
  readonly body: unknown;
}

/** A valid request; its path names a thing of the first tenant, or of nobody. */
function made(running: RunningApp, operation: Operation, whose: 'first' | 'nobody' = 'first'): Made {
  const random = seededRandom(7);
  const maker = valueMaker(running.document, random, 7);
  const url = operation.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const parameter = operation.parameters.find((p) => p.in === 'path' && p.name === name)!;
    const pattern = String(parameter.schema.pattern ?? '');
    if (pattern.startsWith('^key_')) return whose === 'first' ? running.key.id : 'key_zzzzzzzzzzzz';
    if (pattern.startsWith('^tnt_')) return whose === 'first' ? running.tenantId : `tnt_${'0'.repeat(32)}`;
    if (/owner/i.test(name)) return whose === 'first' ? running.key.ownerId : 'nobody-at-all';
    const examples = parameter.schema.examples as string[] | undefined;
    return encodeURIComponent(examples?.[0] ?? String(maker.valid(parameter.schema)));
  });
  const required = operation.parameters
    .filter((p) => p.in === 'query' && p.required)
    .map((p) => `${p.name}=${encodeURIComponent(String(maker.valid(p.schema)))}`);
  const body = operation.bodyExample ?? (operation.body ? maker.valid(operation.body) : undefined);
  return { url: required.length > 0 ? `${url}?${required.join('&')}` : url, body };
}

/** The text with its last character of the secret part another one. */
function changed(secret: string): string {
  const at = secret.length - 7;
  return secret.slice(0, at) + (secret[at] === 'a' ? 'b' : 'a') + secret.slice(at + 1);
}

async function prepare(running: RunningApp): Promise<Credentials> {
  const management = { use: 'management', permissions: ['*:*'] };
  const [expired, revoked, apiKey] = await Promise.all([
    running.issue({ ...management, expiresAt: new Date(running.now() + 5_000).toISOString() }),
    running.issue(management),
    running.issue({ use: 'api' }),
  ]);
  await running.post(`/v1/keys/${revoked.id}/revoke`, {});
  const lacking = new Map<string, string>();
  for (const permission of permissions) {
    const others = permissions.filter((p) => p !== permission);
    lacking.set(permission, (await running.issue({ use: 'management', permissions: others })).secret);
  }
  // The clock of the app is moved, or time passes: until then the key is good.
  await running.until(async () => (await running.status(expired.secret)) === 401);
  await running.until(async () => (await running.status(revoked.secret)) === 401);
  for (const secret of lacking.values())
    await running.until(async () => (await running.status(secret)) === 200);
  return { expired: expired.secret, revoked: revoked.secret, apiKey: apiKey.secret, lacking };
}
