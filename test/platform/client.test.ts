import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlinthClient, PlinthClientError } from '../../clients/node/index.ts';
import { adminKey, dataFolder, embedded, startRole, until } from '../support/platform-process.ts';

test('the Node client against a running platform: a verify whose answer is lost is sent again and spends once', async (t) => {
  const folder = await dataFolder(t);
  const platform = await startRole(t, 'start', { env: embedded(folder, { PLINTH_LOG_LEVEL: 'warn' }) });
  const { url } = platform;
  const key = await adminKey(folder);
  const client = new PlinthClient({ url, key, deadlineMs: 60_000, attemptTimeoutMs: 30_000 });
  const limits = [{ name: 'burst', limit: 10, windowSeconds: 86_400 }];
  const issued = await client.issueKey({ limits, credits: { remaining: 500, refill: null } });
  const looks = { key: issued.secret!, limits: [{ name: 'burst', cost: 0 }], credits: { cost: 0 } };
  await until('it verifies', async () => (await client.verify(looks)).valid);

  /** Lets every request through, and loses the answers of the first `lost`. */
  const losing = (lost: number) => {
    let seen = 0;
    const fetcher: typeof fetch = async (...request) => {
      const answer = await fetch(...request);
      await answer.clone().text();
      seen += 1;
      if (seen <= lost) throw new TypeError('fetch failed', { cause: { code: 'ECONNRESET' } });
      return answer;
    };
    return { fetch: fetcher, seen: () => seen };
  };
  const lossy = losing(2);
  const retrying = new PlinthClient({ url, key, deadlineMs: 60_000, fetch: lossy.fetch });
  const verdict = await retrying.verify({ key: issued.secret! });
  assert.equal(lossy.seen(), 3, 'it was carried out three times');
  assert.equal(verdict.code, 'VALID');
  assert.deepEqual(
    [verdict.limits[0]!.remaining, verdict.credits!.remaining],
    [9, 499],
    'and spent once, of limits and of credits',
  );
  assert.equal((await client.verify({ key: issued.secret! })).limits[0]!.remaining, 8, 'another call spends');

  const batch = losing(1);
  const many = new PlinthClient({ url, key, deadlineMs: 60_000, fetch: batch.fetch });
  const verdicts = await many.verifyMany([{ key: issued.secret! }, { key: issued.secret! }, { key: 'x' }]);
  assert.equal(batch.seen(), 2);
  assert.deepEqual(
    verdicts.map((one) => ('code' in one ? one.code : one)),
    ['VALID', 'VALID', 'NOT_FOUND'],
  );
  assert.equal((await client.verify(looks)).limits[0]!.remaining, 6, 'each of a batch spends once');

  // A write whose answer is lost: carried out once, and the retry says what was; the secret was in the lost answer.
  const write = losing(1);
  const writer = new PlinthClient({ url, key, deadlineMs: 60_000, fetch: write.fetch });
  const written = await writer.issueKey({ name: 'once', ownerId: 'once' });
  assert.equal(write.seen(), 2);
  assert.equal(written.secret, null);
  const listed = [];
  for await (const one of client.listKeys({ ownerId: 'once' }, { position: written.position! }))
    listed.push(one.id);
  assert.deepEqual(listed, [written.key.id]);

  await assert.rejects(
    client.verify({ key: issued.secret!, limits: [{ name: 'no-such-limit' }] }),
    (error: PlinthClientError) => error instanceof PlinthClientError && error.code === 'unknown_limit',
  );
  assert.equal((await platform.stop()).code, 0);
  await assert.rejects(
    new PlinthClient({ url, key, deadlineMs: 500 }).verify({ key: 'x' }),
    (error: PlinthClientError) => error.code === 'no_answer',
  );
});
