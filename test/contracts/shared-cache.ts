/** What every engine of the shared cache must do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SharedCache, SharedRecord } from '../../api/verify/shared-cache.ts';
import type { Position } from '../../schemas/envelope.ts';
import type { Cleanup } from '../support/postgres.ts';

export interface SharedCacheContract {
  readonly name: string;
  readonly skip?: string | false;
  open(t: Cleanup): Promise<{
    readonly cache: SharedCache;
    /** Another process on the same engine. */
    readonly other: SharedCache;
  }>;
}

/** Long enough for a machine that is busy. */
const CLAIM_MS = 60_000;

const record = (name: string, position: number, text = `${name} at ${position}`): SharedRecord => ({
  name,
  position: String(position).padStart(20, '0') as Position,
  text,
});

export function sharedCacheContract({ name, skip = false, open }: SharedCacheContract): void {
  test(`${name} answers what another process put, in the order of the names`, { skip }, async (t) => {
    const { cache, other } = await open(t);
    await cache.put([record('a', 1), record('b', 1, 'ü "{}" \n\u0000 x')]);
    assert.deepEqual(await other.getMany(['b', 'none', 'a']), ['ü "{}" \n\u0000 x', null, 'a at 1']);
    assert.deepEqual(await other.getMany([]), []);
  });

  test(`${name} never overwrites a record by one of an earlier position`, { skip }, async (t) => {
    const { cache, other } = await open(t);
    await cache.put([record('a', 10), record('b', 2)]);
    await other.put([record('a', 9), record('b', 3), record('c', 1)]);
    assert.deepEqual(await cache.getMany(['a', 'b', 'c']), ['a at 10', 'b at 3', 'c at 1']);
    await Promise.all(
      Array.from({ length: 40 }, (_, i) => [cache, other][i % 2]!.put([record('race', (i * 17) % 40)])),
    );
    assert.deepEqual(await cache.getMany(['race']), ['race at 39']);
  });

  test(`${name} gives a claim to one of many, until the record is put`, { skip }, async (t) => {
    const { cache, other } = await open(t);
    const claims = await Promise.all(
      Array.from({ length: 10 }, (_, i) => [cache, other][i % 2]!.claim(['a', `b${i}`], CLAIM_MS)),
    );
    assert.equal(claims.filter(([a]) => a === true).length, 1);
    assert.ok(claims.every(([, b]) => b === true));
    await cache.put([record('a', 1)]);
    assert.deepEqual(await other.claim(['a'], CLAIM_MS), [true]);
  });

  test(`${name} takes a hundred names at a time`, { skip }, async (t) => {
    const { cache, other } = await open(t);
    const names = Array.from({ length: 100 }, (_, i) => `key_${i}`);
    await cache.put(names.map((one) => record(one, 1)));
    assert.deepEqual(
      await other.getMany(names),
      names.map((one) => `${one} at 1`),
    );
    assert.equal((await other.claim(names, CLAIM_MS)).length, 100);
  });
}
