/** The stream of changes of a whole house: from a command to whoever listens. */
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type EventReader, readEvents } from '../support/event-reader.ts';
import { type IssuedKey, type RunningApp, runningApp } from '../support/running-app.ts';

const ALL = '/ofrep/v1/evaluate/flags';
const AT = '/v1/projects/shop/environments/production/flags/new-checkout';

interface Bulk {
  readonly flags: readonly { readonly key: string; readonly value?: unknown }[];
  readonly eventStreams: readonly {
    readonly type: string;
    readonly endpoint: { readonly requestUri: string };
  }[];
}

describe('the change stream of a house', () => {
  let running: RunningApp;
  let port: number;
  const cleanups: (() => unknown)[] = [];

  before(async () => {
    running = await runningApp({ after: (fn) => cleanups.push(fn) });
    await running.app.listen({ port: 0, host: '127.0.0.1' });
    port = (running.app.server.address() as AddressInfo).port;
  });
  after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });

  const evaluate = async ({ secret }: IssuedKey, query = '') => {
    const answer = await running.app.inject({
      method: 'POST',
      url: `${ALL}${query}`,
      headers: { 'x-api-key': secret },
      payload: { context: { targetingKey: 'user-17' } },
    });
    return { status: answer.statusCode, bulk: JSON.parse(answer.payload || '{}') as Bulk };
  };
  const addressFor = async (key: IssuedKey) => {
    const { bulk } = await evaluate(key);
    assert.equal(bulk.eventStreams[0]!.type, 'sse');
    return bulk.eventStreams[0]!.endpoint.requestUri;
  };
  const told = (reader: EventReader, times: number) =>
    reader.until(() => refetches(reader).length >= times).then(() => refetches(reader)[times - 1]!);
  const refetches = (reader: EventReader) =>
    reader.messages().filter(({ data }) => data.type === 'refetchEvaluation');

  test('a kill is told at once, by name to a server, and who fetches as it says sees it', async () => {
    const reader = await readEvents(port, await addressFor(running.flagsKey));
    assert.equal(reader.status, 200);
    await reader.until((text) => text.includes('"opened"'));
    await running.post(`${AT}/kill`, { reason: 'it fails' });
    const { data } = await told(reader, 1);
    const [change] = reader.messages().filter((message) => message.data.type === 'flagsChanged');
    assert.deepEqual(change!.data, { type: 'flagsChanged', flags: ['new-checkout'], urgent: true });
    const { bulk } = await evaluate(
      running.flagsKey,
      `?flagConfigEtag=${encodeURIComponent(String(data.etag))}`,
    );
    assert.equal(bulk.flags[0]!.value, false);
    reader.leave();
  });

  test('who was away is told what it missed; a revoked key opens no stream', async () => {
    const key = await running.issue({
      use: 'flags-client',
      environment: { project: 'shop', environment: 'production' },
    });
    await running.until(async () => (await evaluate(key)).status === 200);
    const address = await addressFor(key);
    const reader = await readEvents(port, address);
    await running.post(`${AT}/on`, {});
    const { id } = await told(reader, 1);
    reader.leave();
    await running.post(`${AT}/kill`, { reason: 'it fails again' });
    const again = await readEvents(port, address, { headers: { 'last-event-id': id! } });
    await told(again, 1);
    assert.doesNotMatch(again.text(), /new-checkout/);
    again.leave();
    await running.post(`/v1/keys/${key.id}/revoke`, {});
    await running.until(async () => {
      const refused = await readEvents(port, address);
      refused.leave();
      return refused.status === 401;
    });
  });
});
