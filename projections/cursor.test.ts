import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Epoch, Position } from '../schemas/envelope.ts';
import { PlinthError } from '../schemas/errors.ts';
import { type CursorScope, decodeCursor, encodeCursor } from './cursor.ts';

const KEY = Buffer.alloc(32, 7);
const AFTER = '00000000000000000042' as Position;
const scope: CursorScope = {
  epoch: '11111111-1111-4111-8111-111111111111' as Epoch,
  tenant: 'tnt_a',
  list: 'keys',
  filters: { status: 'active', q: 'x' },
};

function refused(code: string, decode: () => unknown): void {
  assert.throws(decode, (error) => error instanceof PlinthError && error.rejection.code === code);
}

describe('a page cursor', () => {
  const cursor = encodeCursor(KEY, scope, AFTER);

  it('leads back to the position that it was made for', () => {
    assert.equal(decodeCursor(KEY, scope, cursor), AFTER);
  });

  it('does not care how the filters are ordered, or whether absent ones are named', () => {
    const same = { ...scope, filters: { q: 'x', use: undefined, status: 'active' } };
    assert.equal(decodeCursor(KEY, same, cursor), AFTER);
  });

  it('is good for no other tenant, list or filters, and under no other key', () => {
    refused('invalid_cursor', () => decodeCursor(KEY, { ...scope, tenant: 'tnt_b' }, cursor));
    refused('invalid_cursor', () => decodeCursor(KEY, { ...scope, list: 'tenants' }, cursor));
    refused('invalid_cursor', () => decodeCursor(KEY, { ...scope, filters: {} }, cursor));
    refused('invalid_cursor', () => decodeCursor(Buffer.alloc(32, 8), scope, cursor));
  });

  it('of another history says so', () => {
    const other = { ...scope, epoch: '22222222-2222-4222-8222-222222222222' as Epoch };
    refused('epoch_gone', () => decodeCursor(KEY, other, cursor));
  });

  it('is refused with any character changed, left out or added', () => {
    fc.assert(
      fc.property(fc.nat(cursor.length - 1), fc.string({ maxLength: 2 }), (index, put) => {
        const changed = cursor.slice(0, index) + put + cursor.slice(index + 1);
        fc.pre(changed !== cursor);
        refused('invalid_cursor', () => decodeCursor(KEY, scope, changed));
      }),
    );
  });

  it('is refused when it is any text at all, however long', () => {
    fc.assert(
      fc.property(fc.string(), (text) => refused('invalid_cursor', () => decodeCursor(KEY, scope, text))),
    );
    refused('invalid_cursor', () => decodeCursor(KEY, scope, 'A'.repeat(100_000)));
  });
});
