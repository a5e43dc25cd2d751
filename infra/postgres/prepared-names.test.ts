import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { test } from 'node:test';

test('no two prepared statements have one name: a connection that has met the first refuses the second', async () => {
  const places = new Map<string, string[]>();
  const root = new URL('../../', import.meta.url).pathname;
  for await (const file of glob('{api,bin,commands,infra,projections,workers}/**/*.ts', { cwd: root })) {
    if (file.endsWith('.test.ts')) continue;
    const source = await readFile(`${root}${file}`, 'utf8');
    for (const [, name] of source.matchAll(/\bname: ['`]([^'`]+)['`],\s*text: /g)) {
      places.set(name!, [...(places.get(name!) ?? []), file]);
    }
  }
  assert.ok(places.size > 20, `it finds them: ${[...places.keys()].join(' ')}`);
  assert.deepEqual(
    [...places].filter(([, files]) => files.length > 1),
    [],
  );
});
