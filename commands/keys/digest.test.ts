import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { Secret } from '../../schemas/secret.ts';
import type { Peppers } from '../peppers.ts';
import { foreignDigests, importedDigestOf, pepperedDigest, sameDigest } from './digest.ts';

const secrets = new Map([1, 2, 3].map((v) => [v, new Secret(new Uint8Array(32).fill(v))]));
const peppers: Peppers = { current: 3, versions: [1, 2, 3], pepper: (version) => secrets.get(version) };

describe('digests of secrets', () => {
  it('nest: HMAC(new pepper, old digest)', () => {
    const inner = createHmac('sha256', new Uint8Array(32).fill(1)).update('text').digest();
    const outer = createHmac('sha256', new Uint8Array(32).fill(2)).update(inner).digest();
    assert.deepEqual(pepperedDigest(peppers, [1, 2], 'text'), outer);
    assert.deepEqual(pepperedDigest(peppers, [2], pepperedDigest(peppers, [1], 'text')!), outer);
  });

  it('are not made when the keyring lacks a pepper', () => {
    assert.equal(pepperedDigest(peppers, [1, 9], 'text'), null);
  });

  it('of a foreign key are tried for every ascending chain of peppers, the newest first', () => {
    const tried = foreignDigests(peppers, 'sk_1');
    const of = (...versions: number[]) =>
      Buffer.from(pepperedDigest(peppers, versions, importedDigestOf('sk_1'))!).toString('base64url');
    assert.equal(tried.length, 7);
    assert.equal(tried[0], of(3));
    for (const chain of [[1], [2], [1, 2], [1, 3], [2, 3], [1, 2, 3]])
      assert.ok(tried.includes(of(...chain)));
  });

  it('compare by every byte', () => {
    const a = importedDigestOf('a');
    assert.ok(sameDigest(a, importedDigestOf('a')));
    assert.ok(!sameDigest(a, importedDigestOf('b')));
    assert.ok(!sameDigest(a, a.subarray(1)));
  });
});
