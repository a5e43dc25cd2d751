/** A broker that hangs, and one that is killed, under a projection that it feeds. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { filled, fromTheStart } from '../../test/contracts/feed-fixtures.ts';
import { startFaultProxy } from '../../test/support/fault-proxy.ts';
import { fedProjection } from '../../test/support/fed-projection.ts';
import { freePort } from '../../test/support/free-port.ts';
import { openKafkaFeed } from '../../test/support/kafka-feed.ts';
import { ownKafka } from '../../test/support/kafka-server.ts';
import { until } from '../../test/support/platform-process.ts';
import { without } from '../../test/support/servers.ts';
import { systemClock as clock } from '../system-clock.ts';

const NOTICED_MS = 15_000;
const RECOVERED_MS = 30_000;

test('a broker that hangs is noticed within 15 s, one that is killed is read on, and nothing is lost', {
  skip: without('kafka'),
}, async (t) => {
  const [port, advertisedPort] = [await freePort(), await freePort()];
  const proxy = await startFaultProxy(t, { port }, advertisedPort);
  const server = await ownKafka(t, { port, advertisedPort });
  const brokers = [`127.0.0.1:${advertisedPort}`];
  const w = await fedProjection(t, { brokers, prefix: 'fed' });
  w.startRelay();
  const runner = w.start('one');
  await w.fed();
  const kafka = { brokers, prefix: `idle-${randomUUID()}` };
  const { member } = await filled(t, { open: (own) => openKafkaFeed(own, { kafka }) }, 1);
  const reader = member(fromTheStart);
  await until('it reads', () => reader.seen.length > 0);
  for (let n = 1; n < 20; n++) await w.append(n);
  await w.checkAt(await w.append(20));

  proxy.hang();
  const hungMs = clock.now();
  await w.append(21);
  await assert.rejects(reader.ended);
  const noticedMs = clock.now() - hungMs;
  t.diagnostic(`noticed after ${noticedMs} ms`);
  assert.ok(noticedMs <= NOTICED_MS, `${noticedMs} ms`);
  await until('the runner says so', () => runner.health().state === 'retrying');
  proxy.heal();
  const healedMs = clock.now();
  await w.checkAt(await w.append(22));
  t.diagnostic(`recovered after ${clock.now() - healedMs} ms`);
  assert.ok(clock.now() - healedMs <= RECOVERED_MS);

  await server.kill('SIGKILL');
  for (let n = 23; n < 40; n++) await w.append(n);
  await until('the runner says so', () => runner.health().state === 'retrying');
  await server.restart();
  const restartedMs = clock.now();
  await w.checkAt(await w.append(40));
  t.diagnostic(`recovered after ${clock.now() - restartedMs} ms`);
  assert.ok(clock.now() - restartedMs <= RECOVERED_MS);
});
