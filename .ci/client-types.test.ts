import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { clientTypes, sameText, TYPES_FILE } from './client-types.ts';

test('the types of the Node client are those of the schemas (node .ci/client-types.ts --write)', () => {
  assert.ok(sameText(clientTypes(), readFileSync(TYPES_FILE, 'utf8')));
});

test('another text is told from the same one', () => {
  assert.equal(sameText('type A = { b: string }', 'type A = {\n  b: string;\n};'), true);
  assert.equal(sameText('type A = { b: string }', 'type A = { b: number }'), false);
});
