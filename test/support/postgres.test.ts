import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { testDatabase } from './postgres.ts';

test('two test databases share a server and nothing else', async (t) => {
  const [one, two] = [await testDatabase(t), await testDatabase(t)];
  for (const url of [one, two]) {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query('CREATE TABLE mine (id int)');
    await client.end();
  }
  assert.notEqual(new URL(one).pathname, new URL(two).pathname);
  assert.equal(new URL(one).host, new URL(two).host);
});
