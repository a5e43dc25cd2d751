import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { type RunningApp, runningApp } from '../../test/support/running-app.ts';

type Body = Record<string, unknown>;

async function shop(t: { after(fn: () => unknown): void }) {
  const running: RunningApp = await runningApp(t);
  const { app, admin } = running;
  const send = async (method: string, url: string, body?: object, headers: Body = {}) => {
    const answer = await app.inject({
      method: method as 'GET',
      url: `/v1/projects${url}`,
      headers: { authorization: `Bearer ${admin.secret}`, ...headers } as Record<string, string>,
      ...(body === undefined ? {} : { payload: body }),
    });
    const text = answer.body;
    return {
      status: answer.statusCode,
      headers: answer.headers,
      body: (text ? JSON.parse(text) : {}) as Body,
    };
  };
  const done = async (method: string, url: string, body?: object, headers: Body = {}) => {
    const answer = await send(method, url, body, headers);
    assert.ok(answer.status < 300, `${method} ${url}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer;
  };
  /** A read that has seen the write before. */
  const after = (written: { headers: Body }, url: string) =>
    done('GET', url, undefined, { 'plinth-position': written.headers['plinth-position'] });
  await done('POST', '', { project: 'store', name: 'Shop' });
  await done('POST', '/store/environments', { environment: 'staging', name: 'Staging' });
  await done('POST', '/store/environments', { environment: 'production', name: 'Production' });
  return { running, send, done, after };
}

const ramp = (exposure: number) => ({
  edits: [
    { edit: 'set_mode', mode: 'on' },
    {
      edit: 'set_fallthrough',
      fallthrough: { rollout: { by: 'targetingKey', exposure, weights: [{ variant: 'on', weight: 1 }] } },
    },
  ],
});

describe('flags over HTTP', () => {
  test('are made, ramped, killed, explained and rolled back', async (t) => {
    const { done, after, send, running } = await shop(t);
    const made = await done('POST', '/store/flags', {
      flag: 'new-checkout',
      name: 'New checkout',
      tags: ['q4'],
    });
    assert.equal(made.status, 201);
    assert.deepEqual(made.body.environments, [
      { environment: 'production', problem: null },
      { environment: 'staging', problem: null },
    ]);
    const at = '/store/environments/production/flags/new-checkout';
    const ramped = await done('POST', `${at}/changes`, ramp(25_000));
    assert.equal(ramped.body.revision, 2);
    assert.equal(ramped.headers.etag, '"2"');
    const position = ramped.headers['plinth-position'] as string;
    const read = await after(ramped, at);
    assert.deepEqual(read.body.fallthrough, ramp(25_000).edits[1]!.fallthrough);

    const explain = (body: object) => done('POST', `${at}/explain`, body);
    const exposed: boolean[] = [];
    for (let n = 0; n < 200; n++) {
      const { body } = await explain({ context: { targetingKey: `user-${n}` } });
      assert.equal(body.reason, 'SPLIT');
      const { gate } = body.bucket as { gate: { bucket: number; exposure: number } };
      assert.equal(body.value, gate.bucket < gate.exposure);
      exposed.push(body.value as boolean);
    }
    const share = exposed.filter(Boolean).length;
    assert.ok(share > 20 && share < 90, `${share} of 200 at 25 %`);

    const killed = await done('POST', `${at}/kill`, { reason: 'checkout fails' });
    assert.equal(killed.body.mode, 'killed');
    const now = await explain({ context: { targetingKey: 'user-1' } });
    assert.deepEqual([now.body.value, now.body.trace], [false, []]);
    const then = await explain({ context: { targetingKey: 'user-1' }, asOf: position });
    assert.equal(then.body.revision, 2);
    const again = await explain({ context: { targetingKey: 'user-1' }, asOf: position });
    assert.deepEqual(again.body, then.body);
    assert.equal(then.body.value, exposed[1]);

    const back = await done('POST', `${at}/rollback`, { revision: 2 });
    assert.deepEqual([back.body.mode, back.body.revision], ['on', 4]);
    const history = await done('GET', `${at}/history?limit=3`);
    const changes = history.body.changes as Body[];
    assert.deepEqual(
      changes.map(({ type, revision, reason }) => [type, revision, reason]),
      [
        ['flag.added', 1, null],
        ['flag.changed', 2, null],
        ['flag.killed', 3, 'checkout fails'],
      ],
    );
    assert.deepEqual(changes[2]!.changes, [{ field: 'mode', before: 'on', after: 'killed' }]);
    const rest = await done('GET', `${at}/history?limit=3&cursor=${history.body.nextCursor}`);
    const [last] = rest.body.changes as Body[];
    assert.deepEqual(last!.cause, { kind: 'rollback', id: null, revision: 2, environment: null });

    const other = await running.app.inject({
      url: `/v1/projects${at}`,
      headers: { authorization: `Bearer ${running.other.secret}` },
    });
    assert.equal(other.statusCode, 404);
    assert.equal((await send('GET', '/store/environments/none/flags/new-checkout')).status, 404);
  });

  test('are listed with what they are in each environment, and compared and copied between two', async (t) => {
    const { done, after } = await shop(t);
    await done('POST', '/store/flags', { flag: 'a', name: 'The first' });
    await done('POST', '/store/flags', { flag: 'b', description: 'another' });
    await done('POST', '/store/environments/staging/flags/a/changes', ramp(10_000));
    const at = '/store/environments/production/flags/a';
    const patched = await done('PATCH', '/store/flags/a', { lifecycle: 'live' }, { 'if-match': '"1"' });
    const list = await after(patched, '/store/flags?lifecycle=live');
    const [a, ...rest] = list.body.flags as Body[];
    assert.equal(rest.length, 0);
    assert.equal(a!.flag, 'a');
    const modes = (a!.environments as Body[]).map(({ environment, mode }) => [environment, mode]);
    assert.deepEqual(modes, [
      ['staging', 'on'],
      ['production', 'off'],
    ]);
    const compared = await done('GET', `${at}/difference?from=staging`);
    assert.deepEqual(
      (compared.body.changes as Body[]).map(({ field }) => field),
      ['mode', 'fallthrough'],
    );
    await done('POST', `${at}/copy`, { from: 'staging' });
    const project = await done('GET', '/store');
    assert.deepEqual(
      (project.body.environments as Body[]).map(({ environment, name }) => [environment, name]),
      [
        ['staging', 'Staging'],
        ['production', 'Production'],
      ],
    );
  });

  test('are listed whole, page by page, as they answer in one environment', async (t) => {
    const { done, after, send } = await shop(t);
    for (const flag of ['a', 'b', 'c']) await done('POST', '/store/flags', { flag });
    await done('POST', '/store/environments/staging/flags/b/archive', {});
    const ramped = await done('POST', '/store/environments/staging/flags/c/changes', ramp(25_000));
    const path = '/store/environments/staging/flags';
    const first = await after(ramped, `${path}?limit=2`);
    const [c, b] = first.body.flags as Body[];
    const whole = await done('GET', `${path}/c`);
    assert.deepEqual({ ...c, notInFlagd: [] }, whole.body);
    assert.deepEqual([b!.flag, b!.archived, b!.revision], ['b', true, 2]);
    const next = await done('GET', `${path}?limit=2&cursor=${first.body.nextCursor}`);
    assert.deepEqual(
      [(next.body.flags as Body[]).map(({ flag, mode }) => [flag, mode]), next.body.nextCursor],
      [[['a', 'off']], null],
    );
    const elsewhere = await send(
      'GET',
      `/store/environments/production/flags?cursor=${first.body.nextCursor}`,
    );
    assert.equal(elsewhere.body.code, 'invalid_cursor');
    assert.equal((await send('GET', '/store/environments/none/flags')).status, 404);

    // As much as an event holds: one that came over from elsewhere may name thousands.
    const keys = Array.from({ length: 1_000 }, (_, i) => `user-${i}-${'x'.repeat(60)}`);
    const targets = ['on', 'off'].map((variant) => ({
      variant,
      keys: keys.map((key) => `${variant}-${key}`),
    }));
    const many = await send('POST', `${path}/a/changes`, { edits: [{ edit: 'set_targets', targets }] });
    assert.equal(many.status, 200);

    const bulky = { variants: { on: 'x'.repeat(60_000), off: '' }, type: 'string' };
    let last = next;
    for (let i = 0; i < 20; i++) last = await done('POST', '/store/flags', { flag: `bulky-${i}`, ...bulky });
    const full = await after(last, `${path}?limit=100`);
    assert.equal((full.body.flags as Body[]).length, 17);
    assert.ok(full.body.nextCursor);
  });

  test('ask for approvals where their environment does, and tell which field of a change is wrong', async (t) => {
    const { done, send } = await shop(t);
    await done('POST', '/store/flags', { flag: 'a' });
    await done('PATCH', '/store/environments/production', { approvalsRequired: 1 });
    const at = '/store/environments/production/flags/a';
    const refused = await send('POST', `${at}/on`, {});
    assert.deepEqual([refused.status, refused.body.code], [403, 'approval_required']);
    await done('POST', `${at}/kill`, { reason: 'r' });
    const wrong = await send('POST', '/store/environments/staging/flags/a/changes', {
      edits: [{ edit: 'remove_rule', id: 'none' }],
    });
    assert.deepEqual([wrong.status, (wrong.body.errors as Body[])[0]!.field], [400, 'edits.0.id']);
    const stale = await send('POST', '/store/environments/staging/flags/a/on', {}, { 'if-match': '"7"' });
    assert.deepEqual([stale.status, stale.body.code], [412, 'precondition_failed']);
    const segment = '/store/environments/staging/segments/pro';
    const when = { attribute: 'plan', is: 'equals', value: 'pro' };
    await done('PUT', segment, { when });
    await done('POST', '/store/environments/staging/flags/a/changes', {
      edits: [{ edit: 'put_rule', rule: { id: 'r', when: { segment: 'pro' }, serve: { variant: 'on' } } }],
    });
    assert.equal((await send('DELETE', segment)).status, 400);
  });

  test('are read with a key that is bound to one environment, and by no other', async (t) => {
    const { done, running } = await shop(t);
    await done('POST', '/store/flags', { flag: 'a' });
    const environment = { project: 'store', environment: 'production' };
    const issue = (body: object) =>
      running.app.inject({
        method: 'POST',
        url: '/v1/keys',
        headers: { authorization: `Bearer ${running.admin.secret}` },
        payload: body,
      });
    const server = await issue({ use: 'flags-server', environment });
    assert.equal(server.statusCode, 201, server.body);
    assert.deepEqual(server.json().key.environment, environment);
    for (const [body, field] of [
      [{ use: 'flags-client' }, 'environment'],
      [{ use: 'flags-client', environment: { ...environment, environment: 'none' } }, 'environment'],
      [{ use: 'api', environment }, 'environment'],
      [{ use: 'flags-server', environment, scopes: ['a'] }, 'scopes'],
    ] as const) {
      const refused = await issue(body);
      assert.equal(refused.statusCode, 400);
      assert.equal(refused.json().errors[0].field, field);
    }
    const { secret } = server.json();
    const whoami = await running.app.inject({
      url: '/v1/whoami',
      headers: { authorization: `Bearer ${secret}` },
    });
    assert.equal(whoami.statusCode, 401);
  });

  test('are given to flagd as one flag set: to server keys of the environment, and again only when it has changed', async (t) => {
    const { done, running } = await shop(t);
    await done('POST', '/store/flags', { flag: 'a' });
    await done('POST', '/store/flags', { flag: 'b' });
    const rule = {
      id: 'r',
      when: { attribute: 'mail', is: 'matches', value: '^a' },
      serve: { variant: 'on' },
    };
    const edits = [
      { edit: 'set_mode', mode: 'on' },
      { edit: 'put_rule', rule },
    ];
    const changed = await done('POST', '/store/environments/production/flags/b/changes', { edits });
    assert.deepEqual(changed.body.notInFlagd, ['matches']);
    const keyOf = async (use: string) => {
      const payload = { use, environment: { project: 'store', environment: 'production' } };
      const headers = { authorization: `Bearer ${running.admin.secret}` };
      return (await running.app.inject({ method: 'POST', url: '/v1/keys', headers, payload })).json().secret;
    };
    const server = await keyOf('flags-server');
    const sync = (key: string, environment = 'production', headers: Record<string, string> = {}) =>
      running.app.inject({
        url: `/v1/sync/store/${environment}/flagd.json`,
        headers: { authorization: `Bearer ${key}`, ...headers },
      });
    await running.until(async () => Object.keys((await sync(server)).json().flags ?? {}).length === 1);
    const plain = await sync(server);
    assert.deepEqual(Object.keys(plain.json().flags), ['a']);
    assert.deepEqual([plain.json().metadata.leftOut, plain.json().metadata.leftOutCount], ['b', 1]);
    const etag = String(plain.headers.etag);
    const same = await sync(server, 'production', { 'if-none-match': etag });
    assert.deepEqual([same.statusCode, same.body], [304, '']);
    const packed = await sync(server, 'production', { 'accept-encoding': 'br, gzip' });
    assert.equal(packed.headers['content-encoding'], 'gzip');
    assert.equal(gunzipSync(packed.rawPayload).toString(), plain.body);
    assert.equal((await sync(server, 'staging')).statusCode, 404);
    assert.equal((await sync(await keyOf('flags-client'))).statusCode, 401);
    await done('POST', '/store/environments/production/flags/a/on', {});
    await running.until(
      async () => (await sync(server, 'production', { 'if-none-match': etag })).statusCode === 200,
    );
  });

  test('are changed where others must approve: by request, hash and owner, never by who wrote it', async (t) => {
    const { done, send, running } = await shop(t);
    await done('POST', '/store/flags', { flag: 'a' });
    await done('PATCH', '/store/environments/production', { approvalsRequired: 1 });
    const permissions = ['flags:read', 'flags:write', 'flags:approve'];
    const keyOf = async (ownerId: string) => {
      const { secret } = await running.issue({ use: 'management', permissions, ownerId });
      await running.until(async () => (await running.status(secret)) === 200);
      return { authorization: `Bearer ${secret}` };
    };
    const [ann, bob] = [await keyOf('ann'), await keyOf('bob')];
    const requests = '/store/environments/production/change-requests';
    const commands = [{ do: 'change', flag: 'a', edits: [{ edit: 'set_mode', mode: 'on' }] }];
    const opened = await done('POST', requests, { title: 'On', commands }, ann);
    assert.deepEqual([opened.status, opened.headers.etag], [201, '"1"']);
    const { request, hash } = opened.body;
    const own = await send('POST', `${requests}/${request}/approve`, { hash }, ann);
    assert.deepEqual([own.status, own.body.code], [403, 'self_approval']);
    const early = await send('POST', `${requests}/${request}/apply`, {}, ann);
    assert.deepEqual([early.status, early.body.code], [403, 'approval_required']);
    const approved = await done('POST', `${requests}/${request}/approve`, { hash }, bob);
    assert.deepEqual(approved.body.approvers, ['bob']);
    const applied = await done('POST', `${requests}/${request}/apply`, {}, ann);
    assert.equal(applied.body.status, 'applied');
    const read = await done('GET', `${requests}/${request}`, undefined, {
      'plinth-position': applied.headers['plinth-position'],
    });
    assert.deepEqual(
      [read.body.status, read.body.title, read.body.approvers, read.body.authors],
      ['applied', 'On', ['bob'], ['ann']],
    );
    assert.deepEqual((await done('GET', `${requests}?status=open`)).body.requests, []);
    const flag = await done('GET', '/store/environments/production/flags/a', undefined, {
      'plinth-position': applied.headers['plinth-position'],
    });
    assert.equal(flag.body.mode, 'on');
  });
});
