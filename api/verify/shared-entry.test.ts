import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type KeyState, noKey } from '../../commands/keys/key-state.ts';
import { noOwner } from '../../commands/keys/owner-state.ts';
import type { Epoch, EventId, Position } from '../../schemas/envelope.ts';
import { Secret } from '../../schemas/secret.ts';
import { type StampedEntry, stampedEntry } from './key-entry.ts';
import { MAX_SHARED_BYTES } from './shared-cache.ts';
import { sharedEntries } from './shared-entry.ts';

const entries = sharedEntries(new Secret(new Uint8Array(32).fill(3)));
const stamp = {
  epoch: '6a1f5c1e-0000-4000-8000-000000000001' as Epoch,
  revision: 2,
  position: '00000000000000000042' as Position,
  eventId: 'event-42' as EventId,
};
const key: KeyState = {
  ...noKey,
  version: 3,
  keyId: 'key_000000000001',
  tenant: `tnt_${'a'.repeat(32)}`,
  ownerId: 'o1',
  secrets: [{ digest: 'AAEC', pepperVersions: [1], hint: null, createdAtMs: 5, validUntilMs: null }],
  scopes: ['a', 'ü'],
};
const entryOf = (state: KeyState): StampedEntry =>
  stampedEntry({ key: state, owner: noOwner, suspended: false, parked: false }, state.keyId, stamp);

describe('an entry that processes share', () => {
  it('comes back as it was, without name and metadata', () => {
    const text = entries.seal('n', entryOf({ ...key, name: 'Ada', metadata: { born: 1815 } }))!;
    assert.doesNotMatch(text, /Ada|1815/);
    assert.deepEqual(entries.open('n', text), entryOf(key));
  });

  it('is a miss under another name, or under another secret', () => {
    const text = entries.seal('n', entryOf(key))!;
    assert.equal(entries.open('m', text), null);
    assert.equal(sharedEntries(new Secret(new Uint8Array(32).fill(4))).open('n', text), null);
  });

  it('is a miss when any character of it was changed, and whatever else stands there', () => {
    const text = entries.seal('n', entryOf(key))!;
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, other) => {
        fc.pre(text[at] !== other);
        const changed = text.slice(0, at) + other + text.slice(at + 1);
        assert.equal(entries.open('n', changed), null);
      }),
    );
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (garbage) => entries.open('n', garbage) === null));
    for (const garbage of [
      '',
      '1.',
      '1.x',
      `1.${'A'.repeat(43)}.{}`,
      text.slice(0, -1),
      `${text} `,
      'null',
    ]) {
      assert.equal(entries.open('n', garbage), null);
    }
  });

  it('is a miss when a release wrote it in which a key has other facts', () => {
    const { disabled: _, ...older } = key;
    for (const state of [older, { ...key, tomorrow: 'restricted' }]) {
      const text = entries.seal('n', { ...entryOf(key), key: state as KeyState })!;
      assert.equal(entries.open('n', text), null);
    }
  });

  it('is not shared when it is large', () => {
    const scopes = Array.from({ length: 1_000 }, (_, i) => `a.scope.of.some.length.${i}`.padEnd(40, '.'));
    assert.ok(JSON.stringify(scopes).length > MAX_SHARED_BYTES);
    assert.equal(entries.seal('n', entryOf({ ...key, scopes })), null);
  });
});
