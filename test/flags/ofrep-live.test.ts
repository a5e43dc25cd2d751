/** OpenFeature's client for browsers, told of changes: live, after it was away, and when its address has expired. */
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';
import { EventSource } from 'eventsource';
import { systemClock } from '../../infra/system-clock.ts';
import type { Position } from '../../schemas/envelope.ts';
import type { FlagSettings } from '../../schemas/flag-values.ts';
import { type OfrepApp, ofrepApp } from '../support/ofrep-app.ts';
import { servedEnvironment } from '../support/served-flags.ts';

const MAX_UNTIL_MS = 30_000;
const HOUR_MS = 3_600_000;
const environmentAt = (version: number, mode: FlagSettings['mode']) =>
  servedEnvironment(
    { checkout: { variants: { on: true, off: false }, settings: { mode } } },
    String(version).padStart(20, '0') as Position,
  );

describe('a browser that listens', () => {
  let running: OfrepApp;
  let baseUrl: string;
  let version = 10;
  let laterMs = 0;
  const requests: string[] = [];
  const cleanups: (() => unknown)[] = [];

  before(async () => {
    // What browsers have, and Node only behind a flag.
    Object.assign(globalThis, { EventSource });
    const clock = { ...systemClock, now: () => systemClock.now() + laterMs };
    running = ofrepApp({ after: (fn) => cleanups.push(fn) }, environmentAt(version, 'on'), {
      clock,
      live: true,
    });
    await running.app.listen({ port: 0, host: '127.0.0.1' });
    baseUrl = `http://127.0.0.1:${(running.app.server.address() as AddressInfo).port}`;
  });
  after(async () => {
    await OpenFeature.close();
    for (const cleanup of cleanups.reverse()) await cleanup();
  });

  const change = (mode: FlagSettings['mode'], urgent = false) => {
    version += 1;
    running.serving.environment = environmentAt(version, mode);
    const { stream, position } = running.serving.environment;
    running.hub!.tell({ stream, position, flags: ['checkout'], urgent });
  };
  const until = async (what: string, holds: () => boolean) => {
    const endMs = systemClock.now() + MAX_UNTIL_MS;
    while (!holds()) {
      assert.ok(systemClock.now() < endMs, `${what}: not in ${MAX_UNTIL_MS} ms`);
      await systemClock.sleep(10);
    }
  };
  const fetchImplementation: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    requests.push(`${response.status} ${new URL((input as Request).url).search}`);
    return response;
  };
  const browser = async (domain: string) => {
    await OpenFeature.setContext(domain, { targetingKey: 'jane' });
    const provider = new OFREPWebProvider({
      baseUrl,
      headers: [['X-API-Key', 'client-key']],
      cacheMode: 'disabled',
      fetchImplementation,
    });
    const streams = running.hub!.streams;
    await OpenFeature.setProviderAndWait(domain, provider);
    await until('the stream is open', () => running.hub!.streams > streams);
    return OpenFeature.getClient(domain);
  };
  const isOn = (client: ReturnType<typeof OpenFeature.getClient>) => {
    const { value, errorCode } = client.getBooleanDetails('checkout', false);
    assert.equal(errorCode, undefined);
    return value;
  };

  test('sees a change and a kill without asking, each with one request that carries the notice', async () => {
    const client = await browser('live');
    let told = 0;
    client.addHandler(ProviderEvents.ConfigurationChanged, () => {
      told += 1;
    });
    for (const [mode, urgent] of [
      ['off', false],
      ['on', false],
      ['killed', true],
    ] as const) {
      const before = requests.length;
      const toldBefore = told;
      change(mode, urgent);
      await until(mode, () => isOn(client) === (mode === 'on'));
      await until('the application is told', () => told === toldBefore + 1);
      assert.equal(requests.length, before + 1);
      assert.match(requests.at(-1)!, new RegExp(`^200 \\?flagConfigEtag=.*${version}$`));
    }
  });

  test('sees what changed while it was away as soon as it is back', async () => {
    change('on');
    const client = await browser('away');
    await until('on', () => isOn(client));
    running.app.server.closeAllConnections();
    await until('it is cut off', () => running.hub!.streams === 0);
    change('off');
    await until('off', () => !isOn(client));
    change('on');
    await until('on, live again', () => isOn(client));
  });

  test('gets a new address when its own has expired, and goes on listening', async () => {
    change('on');
    const client = await browser('expired');
    await until('on', () => isOn(client));
    laterMs += HOUR_MS;
    const [before, listening] = [requests.length, running.hub!.streams];
    running.app.server.closeAllConnections();
    await until('they are cut off', () => running.hub!.streams === 0);
    // Nothing has changed: only the window in the tag makes the answer another one, with a new address.
    await until('all listen again', () => running.hub!.streams === listening);
    const asked = requests.slice(before);
    assert.ok(asked.length <= 4 * listening, `they ask again and again: ${asked.join('; ')}`);
    change('off');
    await until('off, live again', () => !isOn(client));
  });
});
