import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { settingsTable } from './read-settings.ts';

test('the page for operators has the table of settings as they are', () => {
  const page = readFileSync(new URL('../docs/operator.md', import.meta.url), 'utf8');
  const table = /<!-- settings -->\n([\s\S]*?)\n<!-- \/settings -->/.exec(page)?.[1];
  assert.equal(table, settingsTable());
});
