import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { StreamId } from '../../schemas/envelope.ts';
import type { FlagsReader } from './flags-use.ts';
import { openStreamToken, streamToken, streamWindow } from './stream-token.ts';

const key = new Uint8Array(32).fill(7);
const grant: FlagsReader = {
  stream: 'environment-0b0e5e0c-8a4b-5d8e-9d59-1d0c3a4f5b6c' as StreamId,
  use: 'flags-client',
  keyId: 'key_000000000012',
};
const MINUTE_MS = 60_000;
const startMs = Date.parse('2026-01-01T00:00:00Z');

test('one key has one token in a window, good for 15 to 30 minutes', () => {
  const token = streamToken(key, grant, streamWindow(startMs));
  const late = streamWindow(startMs + 15 * MINUTE_MS - 1);
  assert.equal(streamToken(key, grant, late), token);
  assert.notEqual(streamToken(key, grant, streamWindow(startMs + 15 * MINUTE_MS)), token);
  const expiresMs = startMs + 30 * MINUTE_MS;
  assert.deepEqual(openStreamToken(key, token, startMs), { ...grant, expiresMs });
  assert.deepEqual(openStreamToken(key, token, expiresMs - 1), { ...grant, expiresMs });
  assert.equal(openStreamToken(key, token, expiresMs), null);
});

test('a token fits into an address as it is, and is another for another key id, use and environment', () => {
  const window = streamWindow(startMs);
  const grants: FlagsReader[] = [
    grant,
    { ...grant, use: 'flags-server' },
    { ...grant, keyId: 'key_000000000013' },
    { ...grant, stream: 'environment-1' as StreamId },
  ];
  const tokens = grants.map((g) => streamToken(key, g, window));
  assert.equal(new Set(tokens).size, grants.length);
  for (const token of tokens) assert.match(token, /^[\w-]{1,300}$/);
});

test('nothing but a token of ours is taken', () => {
  const token = streamToken(key, grant, streamWindow(startMs));
  const other = new Uint8Array(32).fill(8);
  assert.equal(openStreamToken(other, token, startMs), null);
  for (const text of ['', 'x', token.slice(0, 43), `${token}=`, `${token}A`, 'A'.repeat(100_000)]) {
    assert.equal(openStreamToken(key, text, startMs), null, text.slice(0, 100));
  }
  fc.assert(
    fc.property(fc.nat(token.length - 1), fc.constantFrom(...'Aa0-_ \u0000é'), (place, letter) => {
      const changed = token.slice(0, place) + letter + token.slice(place + 1);
      assert.equal(openStreamToken(key, changed, startMs) === null, changed !== token);
    }),
  );
});
