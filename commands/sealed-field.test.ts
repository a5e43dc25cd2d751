import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  openCommitment,
  SEAL_RANDOM_BYTES,
  sealField,
  unsealField,
  verifyCommitment,
} from './sealed-field.ts';

const place = { eventId: 'e1', type: 'noted', field: 'text' };
const key = createSecretKey(randomBytes(32));
const seal = (plaintext: string, where = place) =>
  sealField(where, 'dk_1', key, plaintext, randomBytes(SEAL_RANDOM_BYTES));

describe('a commitment', () => {
  it('opens to an auditor, who needs no key to check it', () => {
    fc.assert(
      fc.property(fc.json(), (plaintext) => {
        const sealed = seal(plaintext);
        const opening = openCommitment(place, key, sealed)!;
        assert.equal(Buffer.from(opening.plaintext).toString(), plaintext);
        assert.equal(verifyCommitment(sealed.commitment, opening), true);
      }),
    );
  });

  it('proves nothing but what was written', () => {
    const sealed = seal('"yes"');
    const opening = openCommitment(place, key, sealed)!;
    const forged = [
      { ...opening, plaintext: Buffer.from('"no"') },
      { ...opening, field: 'other' },
      { ...opening, blind: randomBytes(32) },
      // The same bytes, cut elsewhere.
      {
        ...opening,
        blind: opening.blind.subarray(0, 31),
        plaintext: Buffer.concat([opening.blind.subarray(31), opening.plaintext]),
      },
      { ...opening, field: `text\u0000${Buffer.from(opening.blind).toString('latin1')}` },
    ];
    for (const one of forged) assert.equal(verifyCommitment(sealed.commitment, one), false);
    assert.equal(verifyCommitment(seal('"yes"').commitment, opening), false, 'another time');
  });

  it('of the same value differs every time, so that an erased one cannot be guessed', () => {
    const commitments = Array.from({ length: 100 }, () => seal('"yes"').commitment);
    assert.equal(new Set(commitments).size, 100);
  });
});

describe('a sealed field', () => {
  it('opens at its own place under its own key alone', () => {
    const sealed = seal('"yes"');
    assert.equal(unsealField(place, key, sealed), '"yes"');
    assert.equal(unsealField(place, createSecretKey(randomBytes(32)), sealed), null);
    for (const other of [{ eventId: 'e2' }, { type: 'told' }, { field: 'remark' }]) {
      assert.equal(unsealField({ ...place, ...other }, key, sealed), null);
    }
  });

  it('does not open when any bit of it was flipped', () => {
    const sealed = seal('"yes"');
    for (const part of ['nonce', 'ciphertext', 'commitment'] as const) {
      const bytes = Buffer.from(sealed[part], 'base64url');
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const flipped = Buffer.from(bytes);
        flipped[bit >> 3] = flipped[bit >> 3]! ^ (1 << (bit & 7));
        assert.equal(unsealField(place, key, { ...sealed, [part]: flipped.toString('base64url') }), null);
      }
    }
  });

  it('does not open with a truncated tag', () => {
    const sealed = seal('"yes"');
    const bytes = Buffer.from(sealed.ciphertext, 'base64url');
    for (let cut = 1; cut <= bytes.length; cut++) {
      const ciphertext = bytes.subarray(0, bytes.length - cut).toString('base64url');
      assert.equal(unsealField(place, key, { ...sealed, ciphertext }), null);
    }
  });
});
