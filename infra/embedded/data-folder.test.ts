import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openDataFolder } from './data-folder.ts';

test('all that open a new folder at once get the one password that is kept', async (t) => {
  const path = await mkdtemp(join(tmpdir(), 'plinth-folder-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  const opened = await Promise.all(Array.from({ length: 6 }, () => openDataFolder(path, null)));
  const kept = (await readFile(join(path, 'password'), 'utf8')).trim();
  assert.deepEqual([...new Set(opened.map(({ password }) => password))], [kept]);
});
