/** OpenFeature's own clients, of a server and of a browser, over HTTP against the product's routes. */
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { OFREPProvider } from '@openfeature/ofrep-provider';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import { OpenFeature as ServerFeatures } from '@openfeature/server-sdk';
import { ProviderEvents, OpenFeature as WebFeatures } from '@openfeature/web-sdk';
import type { Position } from '../../schemas/envelope.ts';
import { type OfrepApp, ofrepApp } from '../support/ofrep-app.ts';
import { type HandMadeFlag, servedEnvironment } from '../support/served-flags.ts';

const variants = { on: true, off: false };
const flags: Readonly<Record<string, HandMadeFlag>> = {
  checkout: {
    variants,
    metadata: { owner: 'payments' },
    settings: { targets: [{ variant: 'off', keys: ['joe'] }] },
  },
  greeting: { variants: { de: 'Grüß Gott', en: 'Hello' }, type: 'string' },
  share: { variants: { half: 0.5, none: 0 }, type: 'number' },
  layout: { variants: { wide: { columns: [1, 2, 3] }, narrow: { columns: [] } }, type: 'json' },
  killed: { variants, settings: { mode: 'killed' } },
  undecided: { variants, settings: { fallthrough: { codeDefault: true } } },
  internal: { variants, clientVisible: false },
};

interface Running extends OfrepApp {
  readonly baseUrl: string;
  /** What the clients were answered so far. */
  readonly statuses: number[];
  readonly fetchImplementation: typeof fetch;
}

describe('OpenFeature clients', () => {
  let running: Running;
  const cleanups: (() => unknown)[] = [];
  const headers = (key: string): [string, string][] => [['X-API-Key', key]];

  before(async () => {
    const statuses: number[] = [];
    const ofrep = ofrepApp({ after: (fn) => cleanups.push(fn) }, servedEnvironment(flags));
    const fetchImplementation: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      statuses.push(response.status);
      return response;
    };
    await ofrep.app.listen({ port: 0, host: '127.0.0.1' });
    const { port } = ofrep.app.server.address() as AddressInfo;
    running = Object.assign(ofrep, { statuses, fetchImplementation, baseUrl: `http://127.0.0.1:${port}` });
  });
  after(async () => {
    await ServerFeatures.close();
    await WebFeatures.close();
    for (const cleanup of cleanups.reverse()) await cleanup();
  });

  const server = async (domain: string, key = 'server-key') => {
    const { baseUrl, fetchImplementation } = running;
    const provider = new OFREPProvider({ baseUrl, headers: headers(key), fetchImplementation });
    await ServerFeatures.setProviderAndWait(domain, provider);
    return ServerFeatures.getClient(domain);
  };
  const browser = async (domain: string, key = 'client-key') => {
    const { baseUrl, fetchImplementation } = running;
    await WebFeatures.setContext(domain, { targetingKey: 'jane' });
    const provider = new OFREPWebProvider({
      baseUrl,
      headers: headers(key),
      fetchImplementation,
      cacheMode: 'disabled',
    });
    await WebFeatures.setProviderAndWait(domain, provider);
    return WebFeatures.getClient(domain);
  };
  const restored = () => {
    running.serving.environment = servedEnvironment(flags);
  };

  test('a server gets a value of each type, with variant, reason and metadata', async () => {
    const client = await server('types');
    const jane = { targetingKey: 'jane' };
    const found = await client.getBooleanDetails('checkout', false, jane);
    assert.equal(found.value, true);
    assert.equal(found.variant, 'on');
    assert.equal(found.reason, 'DEFAULT');
    assert.deepEqual({ ...found.flagMetadata }, { owner: 'payments' });
    const joe = await client.getBooleanDetails('checkout', true, { targetingKey: 'joe' });
    assert.deepEqual([joe.value, joe.reason], [false, 'TARGETING_MATCH']);
    assert.equal(await client.getStringValue('greeting', '', jane), 'Grüß Gott');
    assert.equal(await client.getNumberValue('share', 1, jane), 0.5);
    assert.deepEqual(await client.getObjectValue('layout', {}, jane), { columns: [1, 2, 3] });
    assert.equal(await client.getBooleanValue('killed', true), false);
  });

  test('a server is told of an unknown flag, a wrong type and a wrong key, and goes on with its default', async () => {
    const client = await server('faults');
    const unknown = await client.getBooleanDetails('nothing', true);
    assert.deepEqual([unknown.value, unknown.errorCode], [true, 'FLAG_NOT_FOUND']);
    const typed = await client.getStringDetails('checkout', 'default');
    assert.deepEqual([typed.value, typed.errorCode], ['default', 'TYPE_MISMATCH']);
    const odd = await client.getBooleanDetails('checkout', true, { targetingKey: 17 as never });
    assert.deepEqual([odd.value, odd.errorCode], [true, 'INVALID_CONTEXT']);
    const stranger = await server('stranger', 'nobodys-key');
    const refused = await stranger.getBooleanDetails('checkout', false);
    assert.deepEqual([refused.value, refused.reason], [false, 'ERROR']);
    assert.equal(running.statuses.at(-1), 401);
  });

  test('a flag that leaves it to the code does so in both clients', async () => {
    for (const fallback of [true, false]) {
      assert.equal(await (await server('code')).getBooleanValue('undecided', fallback), fallback);
      const details = (await browser('code')).getBooleanDetails('undecided', fallback);
      assert.deepEqual([details.value, details.reason, details.errorCode], [fallback, 'DEFAULT', undefined]);
    }
  });

  test('a browser gets a value of each type out of one request, and never a flag that is not for clients', async () => {
    const before = running.statuses.length;
    const client = await browser('types');
    const found = client.getBooleanDetails('checkout', false);
    assert.deepEqual([found.value, found.variant, found.reason], [true, 'on', 'DEFAULT']);
    assert.deepEqual({ ...found.flagMetadata }, { owner: 'payments' });
    assert.equal(client.getStringValue('greeting', ''), 'Grüß Gott');
    assert.equal(client.getNumberValue('share', 1), 0.5);
    assert.deepEqual(client.getObjectValue('layout', {}), { columns: [1, 2, 3] });
    assert.equal(client.getStringDetails('checkout', 'default').errorCode, 'TYPE_MISMATCH');
    for (const key of ['nothing', 'internal']) {
      assert.equal(client.getBooleanDetails(key, true).errorCode, 'FLAG_NOT_FOUND');
    }
    assert.deepEqual(running.statuses.slice(before), [200]);
  });

  test('a browser that asks again for the same is told 304 and keeps its values; a change reaches it', async (t) => {
    t.after(restored);
    const client = await browser('again');
    await WebFeatures.setContext('again', { targetingKey: 'jane' });
    assert.equal(running.statuses.at(-1), 304);
    assert.equal(client.getBooleanValue('checkout', false), true);

    running.serving.environment = servedEnvironment(
      { ...flags, checkout: { variants, settings: { mode: 'killed' } } },
      '00000000000000000008' as Position,
    );
    await WebFeatures.setContext('again', { targetingKey: 'jane' });
    assert.equal(running.statuses.at(-1), 200);
    assert.equal(client.getBooleanValue('checkout', true), false);
  });

  test('a browser of somebody else gets what is for them', async () => {
    const client = await browser('who');
    await WebFeatures.setContext('who', { targetingKey: 'joe' });
    const { value, reason } = client.getBooleanDetails('checkout', true);
    assert.deepEqual([value, reason], [false, 'TARGETING_MATCH']);
  });

  test('both clients pause when there are too many requests, as long as they are told', async (t) => {
    t.after(() => {
      running.busySeconds = null;
    });
    const [atServer, atBrowser] = [await server('busy'), await browser('busy')];
    const stale = new Promise<void>((resolve) => atBrowser.addHandler(ProviderEvents.Stale, () => resolve()));
    running.busySeconds = 60;
    const before = running.statuses.length;
    for (let i = 0; i < 3; i++) {
      assert.equal((await atServer.getBooleanDetails('checkout', false)).value, false);
      await WebFeatures.setContext('busy', { targetingKey: 'joe' });
    }
    await stale;
    // One each: what follows is not sent.
    assert.deepEqual(running.statuses.slice(before), [429, 429]);
    assert.equal(atBrowser.getBooleanValue('checkout', false), true);
  });

  test('a browser with a wrong key, or whose environment is not there yet, knows that it is not served', async () => {
    for (const key of ['nobodys-key', 'early-key']) {
      await assert.rejects(browser(`not-served-${key}`, key));
      const client = WebFeatures.getClient(`not-served-${key}`);
      assert.equal(client.getBooleanValue('checkout', true), true);
    }
  });
});
