import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestIdOf } from './request-id.ts';

const random = { bytes: (length: number) => new Uint8Array(length).fill(1) };

test('the id that a caller sends is taken, unless it is malformed or looks like a credential', () => {
  assert.equal(requestIdOf(random, 'b1946ac9-2f0e'), 'b1946ac9-2f0e');
  const refused = [
    undefined,
    '',
    'a b',
    'x'.repeat(129),
    'plinth_live_4fTq0ZxW91bA_27ktkeRkfYgIn7f6KUeRrAuiWSpV4ACOl1PQ2cL3Q1R3SGjG8',
    'key:plinth_test_4fTq0ZxW91bA_27ktkeRkfYgIn7f6',
    'eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2lnbmF0dXJl',
  ];
  for (const header of refused) assert.match(requestIdOf(random, header), /^req_/, String(header));
});
