import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runningApp } from '../../test/support/running-app.ts';

test('an erased person is gone from reads, lists, history and the past; what comes later is not', async (t) => {
  const { app, admin, other, get, post, until } = await runningApp(t);
  const issued = await post('/v1/keys', {
    ownerId: 'ann',
    name: 'Ann of the first floor',
    metadata: { phone: '555' },
  });
  const key = issued.key as { id: string; createdAt: string };
  const erased = await post('/v1/subjects/ann/erase', {});
  assert.equal(erased.subject, 'ann');
  assert.equal(erased.destroyedKeys, 1);
  assert.deepEqual(await get('/v1/subjects/ann'), erased);

  await until(async () => (await get(`/v1/keys/${key.id}`)).name === null);
  const shown = [
    await get(`/v1/keys/${key.id}`),
    await get(`/v1/keys/${key.id}/history`),
    await get(`/v1/keys/${key.id}?asOf=${encodeURIComponent(key.createdAt)}`),
    await get('/v1/keys?ownerId=ann'),
  ];
  for (const answer of shown) assert.doesNotMatch(JSON.stringify(answer), /first floor|555/);
  assert.equal((shown[3]!.keys as unknown[]).length, 1, 'the key itself stays');

  const later = await post('/v1/keys', { ownerId: 'ann', name: 'Ann again' });
  const { id } = later.key as { id: string };
  await until(
    async () =>
      (await app.inject({ url: `/v1/keys/${id}`, headers: { authorization: `Bearer ${admin.secret}` } }))
        .statusCode === 200,
  );
  assert.equal((await get(`/v1/keys/${id}`)).name, 'Ann again');

  // Another tenant's person of the same id is another person.
  const theirs = await app.inject({
    url: '/v1/subjects/ann',
    headers: { authorization: `Bearer ${other.secret}` },
  });
  assert.equal(theirs.json().erasedAt, null);
});
