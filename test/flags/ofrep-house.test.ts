/** OFREP of a whole house: keys that are issued, flags that are changed, and answers that show it. */
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { OFREPProvider } from '@openfeature/ofrep-provider';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import { OpenFeature as ServerFeatures } from '@openfeature/server-sdk';
import { OpenFeature as WebFeatures } from '@openfeature/web-sdk';
import { EventSource } from 'eventsource';
import { type RunningApp, runningApp } from '../support/running-app.ts';

const ALL = '/ofrep/v1/evaluate/flags';
const AT = '/v1/projects/shop/environments/production/flags/new-checkout';

interface Evaluation {
  readonly key: string;
  readonly value?: unknown;
  readonly reason?: string;
  readonly errorCode?: string;
}

describe('OFREP of a house', () => {
  let running: RunningApp;
  let client: string;
  const cleanups: (() => unknown)[] = [];

  before(async () => {
    running = await runningApp({ after: (fn) => cleanups.push(fn) });
    client = (await issue('flags-client', 'production')).secret;
  });
  after(async () => {
    await ServerFeatures.close();
    await WebFeatures.close();
    for (const cleanup of cleanups.reverse()) await cleanup();
  });

  const ask = (url: string, secret: string, headers: Record<string, string> = {}) =>
    running.app.inject({
      method: 'POST',
      url,
      headers: { 'x-api-key': secret, ...headers },
      payload: { context: { targetingKey: 'user-17' } },
    });
  /** Known to whoever judges keys when it is answered. */
  const issue = async (use: 'flags-server' | 'flags-client', environment: string) => {
    const key = await running.issue({ use, environment: { project: 'shop', environment } });
    await running.until(async () => (await ask(ALL, key.secret)).statusCode === 200);
    return key;
  };
  /** The position token of the change. */
  const change = async (method: 'POST' | 'PATCH', url: string, body: object): Promise<string> => {
    const answer = await running.app.inject({
      method,
      url,
      headers: { authorization: `Bearer ${running.admin.secret}` },
      payload: body,
    });
    assert.ok(answer.statusCode < 300, answer.payload);
    return String(answer.headers['plinth-position']);
  };

  test('a change is seen by who sends its position back, alone and among all, every time', async () => {
    const { secret } = running.flagsKey;
    let etag = '';
    for (let round = 0; round < 10; round++) {
      for (const [path, body, value] of [
        ['kill', { reason: 'it fails' }, false],
        ['on', {}, true],
      ] as const) {
        const position = await change('POST', `${AT}/${path}`, body);
        const hinted = `${ALL}?flagConfigEtag=${encodeURIComponent(position)}`;
        const all = await ask(hinted, secret, { 'if-none-match': etag });
        assert.equal(all.statusCode, 200, all.payload);
        const [listed] = all.json<{ flags: Evaluation[] }>().flags;
        assert.deepEqual([listed!.key, listed!.value], ['new-checkout', value]);
        assert.notEqual(all.headers.etag, etag);
        etag = String(all.headers.etag);
        const one = await ask(`${ALL}/new-checkout`, secret, { 'plinth-position': position });
        assert.equal(one.json<Evaluation>().value, value);
        const again = await ask(hinted, secret, { 'if-none-match': etag });
        assert.deepEqual([again.statusCode, again.payload], [304, '']);
      }
    }
  });

  test('a client sees a flag as soon as it is for clients, and not before', async () => {
    const hidden = await ask(`${ALL}/new-checkout`, client);
    assert.equal(hidden.json<Evaluation>().errorCode, 'FLAG_NOT_FOUND');
    assert.deepEqual((await ask(ALL, client)).json<{ flags: Evaluation[] }>().flags, []);
    const edits = [{ edit: 'set_client_visible', clientVisible: true }];
    const position = await change('POST', `${AT}/changes`, { edits });
    const shown = await ask(`${ALL}/new-checkout`, client, { 'plinth-position': position });
    assert.equal(shown.statusCode, 200, shown.payload);
    assert.equal(shown.json<Evaluation>().value, true);
  });

  test('OpenFeature’s clients see a ramp and a kill: a server when it asks, a browser without asking', async () => {
    Object.assign(globalThis, { EventSource });
    await running.app.listen({ port: 0, host: '127.0.0.1' });
    const baseUrl = `http://127.0.0.1:${(running.app.server.address() as AddressInfo).port}`;
    const headers = (secret: string): [string, string][] => [['Authorization', `Bearer ${secret}`]];
    await ServerFeatures.setProviderAndWait(
      new OFREPProvider({ baseUrl, headers: headers(running.flagsKey.secret) }),
    );
    await WebFeatures.setContext({ targetingKey: 'user-17' });
    await WebFeatures.setProviderAndWait(
      new OFREPWebProvider({ baseUrl, headers: headers(client), cacheMode: 'disabled' }),
    );
    const [atServer, atBrowser] = [ServerFeatures.getClient(), WebFeatures.getClient()];
    const both = async (value: boolean, reason: string) => {
      const isSo = (found: { value: boolean; reason?: string }) =>
        found.value === value && found.reason === reason;
      await running.until(async () => isSo(atBrowser.getBooleanDetails('new-checkout', !value)));
      const asked = () =>
        atServer.getBooleanDetails('new-checkout', !value, { targetingKey: 'user-17' }).then(isSo);
      await running.until(asked);
    };
    await both(true, 'STATIC');
    const rollout = { by: 'targetingKey', exposure: 100_000, weights: [{ variant: 'on', weight: 1 }] };
    const edits = [{ edit: 'set_fallthrough', fallthrough: { rollout } }];
    await change('POST', `${AT}/changes`, { edits });
    await both(true, 'SPLIT');
    await change('POST', `${AT}/kill`, { reason: 'it fails' });
    await both(false, 'STATIC');
    await change('POST', `${AT}/on`, {});
    await both(true, 'SPLIT');
  });

  test('no other key opens them: of another use, of another environment, revoked', async () => {
    for (const secret of [running.admin.secret, running.key.secret, running.other.secret]) {
      assert.equal((await ask(ALL, secret)).statusCode, 401);
    }
    const staging = await issue('flags-server', 'staging');
    const elsewhere = await ask(`${ALL}/new-checkout`, staging.secret);
    assert.deepEqual([elsewhere.statusCode, elsewhere.json<Evaluation>().value], [200, false]);
    await running.post(`/v1/keys/${staging.id}/revoke`, {});
    await running.until(async () => (await ask(ALL, staging.secret)).statusCode === 401);
  });

  test('an answer of a history that is gone is not asked for, and a position of it is 410', async () => {
    const gone = '00000000-0000-4000-8000-000000000000.00000000000000000001';
    const { secret } = running.flagsKey;
    assert.equal((await ask(`${ALL}?flagConfigEtag=${gone}`, secret)).statusCode, 200);
    assert.equal((await ask(ALL, secret, { 'plinth-position': gone })).statusCode, 410);
  });
});
