import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReactorHealth } from '../../commands/reactor.ts';
import type { RunnerHealth } from '../../projections/runner.ts';
import { fakeClock } from '../../test/support/fake-clock.ts';
import type { RelayHealth } from '../../workers/relay.ts';
import { createLog } from '../telemetry/log.ts';
import { tellProjection } from './tell-projection.ts';
import { tellReactor } from './tell-reactor.ts';
import { tellRelay } from './tell-relay.ts';
import { tellScheduler } from './tell-scheduler.ts';
import { STEADY_MS } from './tidings.ts';

const AWAY = 'Kafka does not answer: check KAFKA_BROKERS';

function logged() {
  const lines: string[] = [];
  const log = createLog({
    level: 'info',
    write(line) {
      const { level, message } = JSON.parse(line) as { level: string; message: string };
      lines.push(`${level} ${message}`);
    },
  });
  return { log, clock: fakeClock(), lines };
}

test('a relay says once that it cannot go on, that it goes on again, that it stands by and has taken over', async () => {
  const { log, clock, lines } = logged();
  const teller = tellRelay(log, clock, () => true);
  const become = async (state: RelayHealth['state'], problem: string | null = null) => {
    teller.changed({ state, problem, position: null, generation: 1 } as RelayHealth);
    await clock.advance(STEADY_MS);
  };
  await become('standby');
  await become('catching_up');
  await become('live');
  await become('retrying', AWAY);
  await become('retrying', AWAY);
  await become('live');
  await become('catching_up');
  await become('standby');
  await become('stopped');
  assert.deepEqual(lines, [
    'info another relay works; this one stands by',
    'info the relay has taken over: it carries the log to Kafka',
    'warn the relay cannot go on now; it tries again',
    'info the relay goes on again',
    'info another relay works; this one stands by',
  ]);
});

test('two relays that cannot go on pass the lease to each other: each says so once, and not that it stands by', async () => {
  const { log, clock, lines } = logged();
  let kafkaAnswers = false;
  const teller = tellRelay(log, clock, () => kafkaAnswers);
  const become = async (state: RelayHealth['state'], problem: string | null, lastsMs: number) => {
    teller.changed({ state, problem, position: null, generation: null } as never);
    await clock.advance(lastsMs);
  };
  for (let times = 0; times < 10; times++) {
    await become('retrying', AWAY, 5_000);
    await become('standby', null, times % 2 === 0 ? 5_000 : 60_000);
  }
  assert.deepEqual(lines, ['warn the relay cannot go on now; it tries again']);
  kafkaAnswers = true;
  await clock.advance(STEADY_MS);
  assert.deepEqual(lines.slice(1), ['info another relay works; this one stands by']);
});

test('a relay that begins although the log holds events warns of what consumers lose', () => {
  const { log, clock, lines } = logged();
  tellRelay(log, clock, () => true).began(3);
  assert.match(lines[0]!, /^warn no topics of ours hold anything: .* generation 3 at the start of the log; /);
});

test('a projection that Kafka feeds says once that Kafka is away, though it joins anew each time, and once that it goes on', async () => {
  const { log, clock, lines } = logged();
  let now = {} as RunnerHealth;
  let kafkaAnswers = false;
  const teller = tellProjection(log, clock, { health: () => now, kafkaAnswers: () => kafkaAnswers });
  const become = (state: RunnerHealth['state'], more: Partial<RunnerHealth> = {}) => {
    now = { projection: 'key_list', state, problem: null, feed: null, partitions: null, ...more } as never;
    teller.changed(now);
  };
  const fed = { feed: { generation: 1, partitions: 3 } };
  become('catching_up');
  become('live', { ...fed, partitions: 3 });
  await clock.advance(STEADY_MS);
  assert.deepEqual(lines, [], 'a start is no news');
  for (let times = 0; times < 10; times++) {
    become('retrying', { problem: AWAY });
    await clock.advance(5_000);
    become('live', { ...fed, partitions: 0 });
    await clock.advance(15_000);
  }
  assert.deepEqual(lines, ['warn a projection cannot go on now; it tries again']);
  kafkaAnswers = true;
  become('live', { ...fed, partitions: 0 });
  now = { ...now, partitions: 3 };
  await clock.advance(STEADY_MS);
  assert.deepEqual(lines.slice(1), ['info a projection goes on again']);
  become('standby');
  await clock.advance(STEADY_MS);
  become('live');
  await clock.advance(STEADY_MS);
  assert.deepEqual(lines.slice(2), [
    'info another process works on the projection now',
    'info a projection was taken over',
  ]);
});

test('a reactor that is halted says so once, and what to do, however often it looks', async () => {
  const { log, clock, lines } = logged();
  const { changed } = tellReactor(log, clock, 'erasures');
  const halted: ReactorHealth = { state: 'halted', problem: 'The log was replaced.' };
  const running: ReactorHealth = { state: 'running', position: '1', live: true };
  changed(running);
  for (let times = 0; times < 5; times++) {
    changed(halted);
    await clock.advance(10_000);
  }
  assert.equal(lines.length, 1);
  assert.match(
    lines[0]!,
    /^error erasures: nothing is carried out until an operator does what `problem` says/,
  );
  changed(running);
  await clock.advance(STEADY_MS);
  assert.deepEqual(lines.slice(1), ['info erasures: it goes on again']);
});

test('a scheduler says once what keeps it from its work, and once that it is done again', async () => {
  const { log, clock, lines } = logged();
  const { ran } = tellScheduler(log, clock);
  for (let times = 0; times < 3; times++) {
    ran({ expired: 0, problem: 'PostgreSQL does not answer: check DATABASE_URL' });
    await clock.advance(STEADY_MS);
  }
  ran({ expired: 2, problem: null });
  await clock.advance(STEADY_MS);
  assert.deepEqual(lines, [
    'warn what is due could not be done; it is tried again',
    'info keys have expired',
    'info what is due is done again',
  ]);
});
