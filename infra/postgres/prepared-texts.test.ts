import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testDatabase } from '../../test/support/postgres.ts';
import { createPool } from './pool.ts';
import { preparing, statementOf } from './prepared-texts.ts';

test('a statement is prepared when it comes again, and answers the same', async (t) => {
  const pool = createPool({ connectionString: await testDatabase(t), applicationName: 'prepared texts' });
  t.after(() => pool.close());
  await pool.session(async (session) => {
    const names = async () =>
      (
        await session.query<{ name: string }>(
          "SELECT name FROM pg_prepared_statements WHERE name LIKE 'text-%'",
        )
      ).length;
    const ask = () => preparing(session).query<{ sum: number }>('SELECT $1::integer + 1 AS sum', [2]);
    const told = [];
    for (let i = 0; i < 3; i++) told.push([(await ask())[0]!.sum, await names()]);
    assert.deepEqual(told, [
      [3, 0],
      [3, 1],
      [3, 1],
    ]);
  });
});

test('a text has one name, and no more than a hundred have any', () => {
  const texts = Array.from({ length: 150 }, (_, i) => `SELECT ${i}`);
  for (const text of texts) assert.equal(statementOf(text), text);
  const named = texts.map(statementOf).filter((statement) => typeof statement !== 'string');
  assert.ok(named.length > 0 && named.length <= 100);
  assert.equal(new Set(named.map(({ name }) => name)).size, named.length);
  assert.deepEqual(
    texts.map(statementOf).filter((statement) => typeof statement !== 'string'),
    named,
  );
});
