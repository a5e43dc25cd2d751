/** The stream of changes over real HTTP, with changes made by hand. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { systemClock, systemRandom } from '../../infra/system-clock.ts';
import { createLog } from '../../infra/telemetry/log.ts';
import { type Position, positionToken, type StreamId } from '../../schemas/envelope.ts';
import { type EventReader, readEvents } from '../../test/support/event-reader.ts';
import { type FakeClock, fakeClock } from '../../test/support/fake-clock.ts';
import { EPOCH } from '../../test/support/scratch-api.ts';
import { buildApp } from '../app.ts';
import { ChangeHub, type ChangeHubDeps } from '../flags/change-hub.ts';
import { MAX_BEAT_MS } from '../flags/change-stream.ts';
import { changeStreams } from '../flags/change-streams.ts';
import type { EnvironmentChange } from '../flags/environment-change.ts';
import type { FlagsReader } from '../flags/flags-use.ts';
import { MAX_DRAIN_MS } from '../plugins/graceful-close.ts';
import { type OfrepEventsServices, ofrepEventsRoutes } from './ofrep-events.ts';

const grant: FlagsReader = {
  stream: 'environment-shop' as StreamId,
  use: 'flags-client',
  keyId: 'key_000000000012',
};
const at = (n: number) => String(n).padStart(20, '0') as Position;
const id = (n: number) => positionToken(EPOCH, at(n));
const key = new Uint8Array(32).fill(7);

interface World {
  readonly clock: FakeClock;
  readonly hub: ChangeHub;
  readonly responses: readonly ServerResponse[];
  readonly lines: readonly string[];
  readonly port: number;
  stillGood: (keyId: string) => boolean | Promise<boolean>;
  change(n: number, more?: Partial<EnvironmentChange>): void;
  open(options?: { lastEventId?: string; of?: Partial<FlagsReader>; method?: string }): Promise<EventReader>;
  address(of?: Partial<FlagsReader>): string;
  close(): Promise<void>;
}

async function serving(
  t: { after(fn: () => unknown): void },
  bounds: Pick<ChangeHubDeps, 'maxStreams' | 'maxStreamsAnEnvironment'> = {},
): Promise<World> {
  const clock = fakeClock();
  const lines: string[] = [];
  const responses: ServerResponse[] = [];
  let stands = 10;
  const hub = new ChangeHub({ clock, epoch: () => EPOCH, standsAt: () => at(stands), ...bounds });
  const app = buildApp<OfrepEventsServices>(
    {
      clock: systemClock,
      random: systemRandom,
      logger: createLog({ level: 'trace', write: (line) => lines.push(line) }),
      authenticate() {
        throw new Error('no credential is looked at');
      },
      epoch: () => EPOCH,
      requestDigest: () => '',
      live: () => true,
      ready: async () => ({ ready: true, checks: {} }),
      metrics: async () => ({ contentType: 'text/plain', body: '' }),
      version: '0.0.0',
      services: {
        clock,
        flagEvents: { hub, random: systemRandom, key, stillGood: (keyId) => world.stillGood(keyId) },
      },
    },
    ofrepEventsRoutes,
  );
  app.server.on('request', (_request, response) => responses.push(response));
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  const addresses = changeStreams(key, clock);
  const world: World = {
    clock,
    hub,
    responses,
    lines,
    port,
    stillGood: () => true,
    change(n, more = {}) {
      stands = n;
      hub.tell({ stream: grant.stream, position: at(n), flags: ['checkout'], urgent: true, ...more });
    },
    address: (of) => addresses.of({ ...grant, ...of }, addresses.window())[0]!.endpoint.requestUri,
    open: ({ lastEventId, of, ...rest } = {}) =>
      readEvents(port, world.address(of), {
        headers: { accept: 'text/event-stream', ...(lastEventId && { 'last-event-id': lastEventId }) },
        ...rest,
      }),
    close: () => app.close(),
  };
  t.after(async () => {
    hub.close();
    await app.close();
  });
  return world;
}

const refetched = (n: number) => (text: string) => text.includes(`id: ${id(n)}\ndata: {"type":"refetch`);
const opened = (text: string) => text.includes('"opened"');

test('a reader is told of a change, and after it was away of what it missed', async (t) => {
  const world = await serving(t);
  const client = await world.open();
  assert.equal(client.status, 200);
  await client.until(opened);
  assert.match(client.text(), /^retry: [1-4]\d{3}\n\nid: \S+\ndata: \{"type":"opened"\}\n\n$/);
  assert.doesNotMatch(client.text(), /^event:/m);
  const server = await world.open({ of: { use: 'flags-server' } });
  await server.until(opened);
  world.change(11);
  await client.until(refetched(11));
  await server.until(refetched(11));
  const refetch = { id: id(11), data: { type: 'refetchEvaluation', etag: id(11) } };
  assert.deepEqual(client.messages().slice(1), [
    { id: undefined, data: { type: 'flagsChanged', urgent: true } },
    refetch,
  ]);
  assert.deepEqual(server.messages()[1]!.data, { type: 'flagsChanged', flags: ['checkout'], urgent: true });
  client.leave();
  world.change(12);
  await server.until(refetched(12));
  const again = await world.open({ lastEventId: id(11) });
  await again.until(refetched(12));
  assert.equal(again.messages().length, 2);
  const upToDate = await world.open({ lastEventId: id(12) });
  await upToDate.until(opened);
  assert.equal(upToDate.messages().length, 1);
  for (const reader of [server, again, upToDate]) reader.leave();
});

test('an id that cannot be placed gets 200 and one order to fetch everything', async (t) => {
  const world = await serving(t);
  for (const lastEventId of [id(3), id(99), 'nonsense', positionToken(EPOCH, at(10)).replace('6f', '7f')]) {
    const reader = await world.open({ lastEventId });
    assert.equal(reader.status, 200);
    await reader.until((text) => text.includes('refetchEvaluation'));
    assert.equal(reader.messages().filter(({ data }) => data.type === 'refetchEvaluation').length, 1);
    reader.leave();
  }
});

test('a thousand streams are all told of one change', async (t) => {
  const world = await serving(t);
  const readers: EventReader[] = [];
  for (let i = 0; i < 10; i++) {
    readers.push(...(await Promise.all(Array.from({ length: 100 }, () => world.open()))));
  }
  await Promise.all(readers.map((reader) => reader.until(opened)));
  assert.equal(world.hub.streams, 1_000);
  world.change(11, { urgent: false });
  await world.clock.advance(200);
  const told = await Promise.all(readers.map((reader) => reader.until(refetched(11))));
  assert.equal(told.length, 1_000);
  const startedMs = performance.now();
  await world.close();
  assert.ok(performance.now() - startedMs < 2 * MAX_DRAIN_MS, 'closing waited for the streams');
  const ends = await Promise.all(readers.map(({ ended }) => ended));
  assert.deepEqual(new Set(ends), new Set(['clean']));
  assert.equal(world.hub.streams, 0);
});

test('a reader that does not read is cut, and the others are told', async (t) => {
  const world = await serving(t);
  const slow = await world.open({ of: { use: 'flags-server' } });
  slow.stall();
  const [response] = world.responses;
  const quick = await world.open();
  await quick.until(opened);
  const flags = Array.from({ length: 150 }, (_, i) => `${i}-${'x'.repeat(200)}`);
  let n = 10;
  while (!response!.destroyed && n < 5_000) {
    world.change(++n, { flags });
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(response!.destroyed, 'it was never cut');
  assert.ok(response!.writableLength < 256 * 1024, `${response!.writableLength} bytes waited`);
  await quick.until(refetched(n));
  assert.equal(world.hub.streams, 1);
  slow.leave();
  quick.leave();
});

test('a silent stream beats every 15 to 20 seconds, and ends with its token', async (t) => {
  const world = await serving(t);
  const reader = await world.open();
  await reader.until(opened);
  const beats = () => reader.text().match(/^:$/gm)?.length ?? 0;
  await world.clock.advance(14_000);
  assert.equal(beats(), 0);
  await world.clock.advance(6_000);
  await reader.until(() => beats() === 1);
  const address = world.address();
  await world.clock.advance(30 * 60_000 - 21_000);
  await reader.until(() => beats() >= 85);
  assert.equal((await readEvents(world.port, address, { method: 'HEAD' })).status, 200);
  await world.clock.advance(1_000);
  assert.equal(await reader.ended, 'clean');
  const refused = await readEvents(world.port, address);
  assert.equal(refused.status, 401);
  await refused.ended;
  assert.equal(refused.text(), '');
  assert.notEqual(world.address(), address);
});

test('a stream ends within one beat of its key being revoked; one that cannot be judged goes on', async (t) => {
  const world = await serving(t);
  const reader = await world.open();
  await reader.until(opened);
  world.stillGood = () => {
    throw new Error('away');
  };
  await world.clock.advance(3 * MAX_BEAT_MS);
  await reader.until((text) => /^:$/m.test(text));
  world.stillGood = (keyId) => keyId !== grant.keyId;
  const spared = await world.open({ of: { keyId: 'key_000000000099' } });
  await spared.until(opened);
  await world.clock.advance(MAX_BEAT_MS);
  assert.equal(await reader.ended, 'clean');
  assert.equal((await world.open()).status, 401);
  await spared.until((text) => /^:$/m.test(text));
  spared.leave();
});

test('without a good token there is no stream, and too many are refused with when to come again', async (t) => {
  const world = await serving(t, { maxStreams: 3, maxStreamsAnEnvironment: 2 });
  for (const path of ['/ofrep/v1/events', '/ofrep/v1/events?token=', '/ofrep/v1/events?token=nonsense']) {
    const reader = await readEvents(world.port, path);
    await reader.ended;
    assert.deepEqual([reader.status, reader.text()], [401, ''], path);
    assert.equal(reader.headers['access-control-allow-origin'], '*');
  }
  const first = await world.open();
  await world.open();
  const refused = await world.open();
  assert.equal(refused.status, 429);
  assert.equal(refused.headers['retry-after'], '5');
  await world.open({ of: { stream: 'environment-other' as StreamId } });
  assert.equal((await world.open({ of: { stream: 'environment-more' as StreamId } })).status, 503);
  const gone = once(world.responses[3]!, 'close');
  first.leave();
  await gone;
  assert.equal((await world.open()).status, 200);
  await world.close();
});

test('HEAD takes no place, and pages of any origin may listen', async (t) => {
  const world = await serving(t);
  const head = await world.open({ method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(head.headers['access-control-allow-origin'], '*');
  assert.equal(world.hub.streams, 0);
  const preflight = await readEvents(world.port, '/ofrep/v1/events', { method: 'OPTIONS' });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers['access-control-allow-methods'], 'GET, HEAD');
});

test('what is in an address is never logged: not of a stream, a refusal, or a path that is not there', async (t) => {
  const world = await serving(t);
  const address = world.address();
  const token = address.split('token=')[1]!;
  const reader = await readEvents(world.port, address);
  await reader.until(opened);
  for (const path of [
    `/ofrep/v1/events?token=${token}x`,
    `/ofrep/v1/events?token=${token}&token=${token}`,
    `/ofrep/v1/event?token=${token}`,
    `/ofrep/v1/events/%zz?token=${token}`,
    `/ofrep/v1/events?token=${token.repeat(60)}`,
  ]) {
    const refused = await readEvents(world.port, path);
    assert.ok(refused.status >= 400, path);
    await refused.ended;
    assert.ok(!refused.text().includes(token), path);
  }
  reader.leave();
  await world.close();
  assert.ok(world.lines.some((line) => line.includes('"route":"/ofrep/v1/events"')));
  for (const line of world.lines) assert.ok(!line.includes(token.slice(0, 40)), line);
});
