/** A log of its own that comes back with nothing: nobody takes what is gone for what never was. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { PlinthClient } from '../../clients/node/index.ts';
import { startEventStoreStandIn } from '../eventstore/stand-in.ts';
import { openEventStoreLogAt } from '../support/eventstore-log.ts';
import { adminKey, dataFolder, embedded, startRole, until } from '../support/platform-process.ts';
import { testDatabase } from '../support/postgres.ts';

/** Longer than what is in memory may be used: then keys are folded from the log, as it is then. */
const AWAY_MS = 6_000;
const ASK_EVERY_MS = 100;

test('a log that comes back empty under running roles denies no key and no caller, and every role says what to do', async (t) => {
  const first = await startEventStoreStandIn();
  t.after(() => first.close());
  const folder = await dataFolder(t);
  const env = embedded(folder, {
    DATABASE_URL: await testDatabase(t),
    EVENT_LOG_URL: first.url,
    PLINTH_HEALTH_PORT: '0',
    PLINTH_DATABASE_CONNECTIONS: '6',
  });
  await startRole(t, 'projector', { env });
  const [api, scheduler] = await Promise.all([
    startRole(t, 'api', { env }),
    startRole(t, 'scheduler', { env }),
  ]);
  const [, port] = /"detail":"port (\d+)"/.exec(scheduler.stdout())!;
  const admin = await adminKey(folder);
  const client = new PlinthClient({ url: api.url, key: admin });
  const issued = await client.issueKey({ name: 'held' });
  const codes: string[] = [];
  const ask = async () => {
    const answer = await fetch(`${api.url}/v1/keys/verify`, {
      method: 'POST',
      headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
      body: JSON.stringify({ key: issued.secret }),
    });
    const { code } = (await answer.json()) as { code: string };
    const said = `${answer.status} ${code}`;
    if (codes.at(-1) !== said) codes.push(said);
    return said;
  };
  const standing = async (url: string) => {
    const answer = await fetch(`${url}/readyz`);
    const text = await answer.text();
    const { checks } = JSON.parse(text) as { checks: Record<string, { ok: boolean; detail: string | null }> };
    return { status: answer.status, checks, text };
  };

  await until('its row is there', async () => (await ask()) === '200 VALID');
  codes.splice(0);
  await first.close();
  const backMs = Date.now() + AWAY_MS;
  while (Date.now() < backMs) {
    await ask();
    await pause(ASK_EVERY_MS);
  }
  const second = await startEventStoreStandIn({ port: first.port });
  t.after(() => second.close());
  await until('verify says so', async () => (await ask()) === '503 log_epoch_changed');
  for (let times = 0; times < 20; times++) await ask();
  const allowed = ['200 VALID', '503 verify_stale', '503 unavailable', '503 log_epoch_changed'];
  assert.deepEqual(
    codes.filter((code) => !allowed.includes(code)),
    [],
    codes.join(', '),
  );
  assert.equal(codes.at(-1), '503 log_epoch_changed', codes.join(', '));

  const here = await standing(api.url);
  assert.equal(here.status, 503, here.text);
  assert.match(here.checks.verify!.detail!, /^The log was replaced: .*`plinth log restored`/);
  await until('the scheduler says so', async () => {
    const { status, text } = await standing(`http://127.0.0.1:${port}`);
    return status === 503 && /The log was replaced.*plinth log restored/.test(text);
  });

  // A verb, or whoever starts now, begins an epoch in the log that is empty.
  await second.close();
  const third = await startEventStoreStandIn({ port: first.port });
  t.after(() => third.close());
  await openEventStoreLogAt(t, third.url);
  for (const url of [api.url, `http://127.0.0.1:${port}`]) {
    let last = await standing(url);
    await until('the log answers, and what stands on it does not go on', async () => {
      last = await standing(url);
      return last.checks.log?.ok === true;
    });
    await until('it says so', async () => {
      last = await standing(url);
      return last.status === 503 && /The log was replaced.*plinth log restored/.test(last.text);
    });
    for (const { ok, detail } of Object.values(last.checks)) {
      assert.ok(ok || /^[A-Z]\w+ .* /.test(detail ?? ''), `a sentence: ${detail}`);
    }
  }
  for (let times = 0; times < 20; times++) assert.equal(await ask(), '503 log_epoch_changed');
});
