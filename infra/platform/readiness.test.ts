import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlinthError } from '../../schemas/errors.ts';
import { fakeClock } from '../../test/support/fake-clock.ts';
import type { Engines } from './engines.ts';
import { type ReadinessSources, readiness } from './readiness.ts';

/** A relay that is at a position, and the projector of the key list that is. */
function roleAt(of: { position: string | null; state?: string }) {
  const health = () => ({
    projection: 'key_list',
    state: 'live',
    problem: null,
    relayStandsAt: null,
    feed: null,
    ...of,
  });
  return { health, stop: async () => {} } as never;
}
function projectorAt(of: Parameters<typeof roleAt>[0]) {
  return { health: () => [(roleAt(of) as { health(): object }).health()] } as never;
}

/** Nothing is the matter with log and database; Kafka hangs as long as `hangs`. */
function world(more: Partial<ReadinessSources> = {}) {
  const clock = fakeClock();
  const kafka = { hangs: false };
  const log = { position: '1' };
  const engines = {
    clock,
    settings: { databaseUrl: null, dataKeysUrl: null, eventLogUrl: null },
    log: { head: async () => log },
    pool: { query: async () => [] },
    keyPool: null as unknown,
    redis: null,
    kafka: { check: () => (kafka.hangs ? new Promise<void>(() => {}) : Promise.resolve()) },
  };
  engines.keyPool = engines.pool;
  const ready = readiness({
    engines: engines as unknown as Engines,
    projector: null,
    relay: roleAt({ position: '1' }),
    serves: false,
    draining: () => false,
    halted: () => ({}),
    ...more,
  });
  return { clock, kafka, log, engines, ready };
}

test('a Kafka that hangs is told within 10 s by who asks every 5 s, though the relay says that it is live', async () => {
  const { clock, kafka, ready } = world();
  assert.equal((await ready()).ready, true);
  kafka.hangs = true;
  const hungMs = clock.now();
  for (;;) {
    await clock.advance(5_000 - 2_000);
    const looking = ready();
    await clock.advance(2_000);
    const { ready: is, checks } = await looking;
    if (!is) {
      assert.equal(checks.kafka?.detail, 'Kafka does not answer: check KAFKA_BROKERS');
      assert.equal(checks.relay?.ok, true);
      break;
    }
    assert.ok(clock.now() - hungMs < 10_000, 'it is told too late');
  }
  kafka.hangs = false;
  await clock.advance(1_000);
  assert.equal((await ready()).ready, true);
});

test('one failure of what has answered is told nowhere, and what has never answered is not ready at once', async () => {
  const look = async ({ clock, ready }: ReturnType<typeof world>) => {
    await clock.advance(1_000);
    const looking = ready();
    await clock.advance(2_000);
    const { ready: is, checks } = await looking;
    return [is, checks.kafka];
  };
  const whole = { ok: true, detail: null };
  const away = { ok: false, detail: 'Kafka does not answer: check KAFKA_BROKERS' };
  const one = world();
  assert.deepEqual(await look(one), [true, whole]);
  one.kafka.hangs = true;
  assert.deepEqual(await look(one), [true, whole]);
  assert.deepEqual(await look(one), [false, away]);
  const other = world();
  other.kafka.hangs = true;
  assert.deepEqual(await look(other), [false, away]);
});

test('what waits for an operator is named with what to do, and takes no requests', async () => {
  const why = 'The log was replaced: run `plinth log restored`.';
  for (const serves of [false, true]) {
    let halted: Record<string, string> = {};
    const { ready } = world({ serves, halted: () => halted });
    assert.equal((await ready()).ready, true);
    halted = { verify: why };
    const told = await ready();
    assert.deepEqual([told.ready, told.checks.verify], [false, { ok: false, detail: why }]);
    halted = {};
    assert.deepEqual((await ready()).ready, true);
  }
});

test('a log that says it was replaced counts at once, in its own words', async () => {
  const { engines, clock } = world();
  const log = engines.log as { head(): Promise<unknown> };
  log.head = () => Promise.reject(new PlinthError('log_epoch_changed', 'It has lost its epoch.'));
  const ready = readiness({
    engines: engines as unknown as Engines,
    projector: null,
    relay: null,
    serves: true,
    draining: () => false,
    halted: () => ({}),
  });
  await clock.advance(1_000);
  const told = await ready();
  assert.deepEqual([told.ready, told.checks.log?.detail], [false, 'It has lost its epoch.']);
});

test('a relay or a projection that stands still while the log goes on is told within 10 s by who asks every 5 s', async () => {
  for (const name of ['relay', 'projection:key_list']) {
    const at = { position: '1', state: 'catching_up' };
    const { clock, log, ready } = world(
      name === 'relay' ? { relay: roleAt(at) } : { relay: null, projector: projectorAt(at) },
    );
    const look = async () => {
      await clock.advance(5_000);
      const { ready: is, checks } = await ready();
      return [is, checks[name]?.detail ?? null];
    };
    assert.deepEqual(await look(), [true, null]);
    log.position = '3';
    assert.deepEqual(await look(), [true, null]);
    at.position = '2';
    assert.deepEqual(await look(), [true, null], 'it comes further');
    assert.deepEqual(await look(), [false, 'events wait, and nothing moves']);
    at.position = '3';
    assert.deepEqual(await look(), [true, null]);
    log.position = '4';
    at.state = 'standby';
    for (let times = 0; times < 3; times++) assert.deepEqual(await look(), [true, null], 'it has others');
  }
});

test('a log that came back shorter is not awaited where it ended before', async () => {
  const at = { position: '7' };
  const { clock, log, ready } = world({ relay: null, projector: projectorAt(at) });
  log.position = '9';
  await ready();
  [at.position, log.position] = ['5', '5'];
  for (let times = 0; times < 3; times++) {
    await clock.advance(5_000);
    assert.equal((await ready()).ready, true);
  }
});

test('who serves the API tells that a projection stands still, and takes requests', async () => {
  const at = { position: '1' };
  const { clock, log, ready } = world({ projector: projectorAt(at), serves: true });
  await ready();
  log.position = '2';
  let told: Awaited<ReturnType<typeof ready>> | undefined;
  for (let times = 0; times < 3; times++) {
    await clock.advance(5_000);
    told = await ready();
  }
  const { ok, detail } = told!.checks['projection:key_list']!;
  assert.deepEqual([told!.ready, ok, detail], [true, true, 'events wait, and nothing moves']);
});

test('who serves the API tells of Kafka and takes requests; who has neither relay nor projector does not ask it', async () => {
  const serving = world({ serves: true });
  serving.kafka.hangs = true;
  for (let look = 0; look < 2; look++) {
    await serving.clock.advance(1_000);
    const looking = serving.ready();
    await serving.clock.advance(2_000);
    const { ready, checks } = await looking;
    assert.deepEqual([ready, checks.kafka?.ok], [true, false], `look ${look}: it has never answered`);
  }
  const alone = world({ serves: true, relay: null });
  assert.ok(!('kafka' in (await alone.ready()).checks));
});

test('who is fed by a relay elsewhere names it where it stands still, and serves on where it serves', async () => {
  const fed = { projection: 'key_list', state: 'catching_up', feed: { generation: 2, partitions: 3 } };
  const logged = { projection: 'keys', state: 'live', problem: null, relayStandsAt: null, feed: null };
  const waiting = { ...fed, problem: 'the relay stands at 7', relayStandsAt: '7' };
  const projector = { health: () => [logged, waiting] } as never;
  for (const serves of [false, true]) {
    const { ready, checks } = await world({ projector, relay: null, serves }).ready();
    assert.equal(ready, serves);
    assert.deepEqual(checks.relay, { ok: false, detail: 'the relay stands at 7' });
    assert.deepEqual(checks['projection:keys'], { ok: true, detail: null, fedBy: 'log', generation: null });
    assert.deepEqual(checks['projection:key_list'], {
      ok: true,
      detail: 'the relay stands at 7',
      fedBy: 'kafka',
      generation: 2,
    });
  }
  const going = { ...fed, problem: null, relayStandsAt: null };
  const alone = world({ projector: { health: () => [going] } as never, relay: null });
  assert.deepEqual([(await alone.ready()).ready, 'relay' in (await alone.ready()).checks], [true, false]);
  // The relay in the same process speaks for itself.
  const own = await world({ projector }).ready();
  assert.deepEqual(own.checks.relay, { ok: true, detail: null });
});
