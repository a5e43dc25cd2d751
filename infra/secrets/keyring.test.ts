import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { inspect } from 'node:util';
import { requestDigest } from '../../commands/request-digest.ts';
import { Secret } from '../../schemas/secret.ts';
import { systemRandom } from '../system-clock.ts';
import { type KeyringFault, keyringOf, openKeyring } from './keyring.ts';

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'plinth-keyring-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}
const hex = (byte: number, length = 32) => Buffer.alloc(length, byte).toString('hex');
const random = systemRandom;

describe('the keyring', () => {
  it('is minted at the first start, for its owner alone, and found at the second', async (t) => {
    const dataDir = await folder(t);
    const first = await openKeyring({ dataDir, random });
    const second = await openKeyring({ dataDir, random });
    assert.deepEqual(second.checkValues, first.checkValues);
    assert.deepEqual(Object.keys(first.checkValues), ['master', 'pepper 1']);
    assert.deepEqual((await readdir(join(dataDir, 'secrets'))).sort(), ['master-key', 'peppers']);
    for (const name of ['master-key', 'peppers']) {
      assert.equal((await stat(join(dataDir, 'secrets', name))).mode & 0o777, 0o600);
    }
    assert.equal((await stat(join(dataDir, 'secrets'))).mode & 0o777, 0o700);
  });

  it('is one and the same for processes that start together', async (t) => {
    const dataDir = await folder(t);
    const all = await Promise.all(Array.from({ length: 16 }, () => openKeyring({ dataDir, random })));
    assert.equal(new Set(all.map((keyring) => JSON.stringify(keyring.checkValues))).size, 1);
    assert.equal((await readdir(join(dataDir, 'secrets'))).length, 2, 'no draft is left behind');
  });

  it('takes settings before files, and then writes none', async (t) => {
    const dataDir = await folder(t);
    const given = { masterKey: new Secret(hex(1)), peppers: new Secret(`1:${hex(2)}`) };
    const keyring = await openKeyring({ dataDir, random, ...given });
    assert.deepEqual(keyring.checkValues, keyringOf(hex(1), `1:${hex(2)}`).checkValues);
    assert.deepEqual(await readdir(dataDir), []);
  });

  it('uses the highest pepper for what is new and keeps the others', () => {
    const { peppers } = keyringOf(hex(1), `2:${hex(2)},10:${hex(3)}\n1:${hex(4)}`);
    assert.equal(peppers.current, 10);
    assert.deepEqual(peppers.versions, [1, 2, 10]);
    assert.deepEqual(Buffer.from(peppers.pepper(2)!.reveal()).toString('hex'), hex(2));
    assert.equal(peppers.pepper(3), undefined);
  });

  it('reads hexadecimal and both alphabets of base64 as the same bytes', () => {
    const bytes = Buffer.from('fb'.repeat(32), 'hex');
    const forms = ['hex', 'base64', 'base64url'] as const;
    const values = forms.map(
      (form) => keyringOf(bytes.toString(form), `1:${bytes.toString(form)}`).checkValues,
    );
    assert.deepEqual(values[1], values[0]);
    assert.deepEqual(values[2], values[0]);
  });

  it('gives each use a derived key of its own, which no rotation changes', () => {
    const before = keyringOf(hex(1), `1:${hex(2)}`);
    const after = keyringOf(hex(9), `1:${hex(2)},2:${hex(3)}`);
    const bytes = (['request-digest', 'cursor', 'idempotency', 'shared-cache'] as const).map((use) => {
      const derived = Buffer.from(before.derive(use).reveal()).toString('hex');
      assert.equal(Buffer.from(after.derive(use).reveal()).toString('hex'), derived);
      return derived;
    });
    assert.equal(new Set(bytes).size, 4);
    const digest = requestDigest(before.derive('request-digest'), Buffer.from('{}'));
    assert.match(digest, /^[\w-]{43}$/);
    assert.notEqual(requestDigest(before.derive('request-digest'), Buffer.from('{ }')), digest);
  });

  it('has check values that differ by secret and by what the secret is for', () => {
    const one = keyringOf(hex(1), `1:${hex(1)},2:${hex(1)}`).checkValues;
    assert.equal(new Set(Object.values(one)).size, 3);
    assert.notEqual(keyringOf(hex(2), `1:${hex(1)}`).checkValues.master, one.master);
  });

  it('says what is wrong with a secret, and never shows it', () => {
    const faults: [string, string, RegExp][] = [
      [Buffer.alloc(31, 5).toString('base64url'), `1:${hex(1)}`, /31 bytes/],
      ['not*base64', `1:${hex(1)}`, /neither base64 nor hexadecimal/],
      ['', `1:${hex(1)}`, /neither base64/],
      [hex(1), '', /no pepper/],
      [hex(1), hex(5), /<version>:<secret>/],
      [hex(1), `0:${hex(5)}`, /<version>:<secret>/],
      [hex(1), `1:${hex(5, 16)}`, /Pepper 1 has/],
      [hex(1), `1:${hex(5)},1:${hex(6)}`, /two peppers of version 1/],
    ];
    for (const [master, peppers, message] of faults) {
      assert.throws(
        () => keyringOf(master, peppers),
        (error: KeyringFault) => {
          assert.equal(error.name, 'KeyringFault');
          assert.match(error.message, message);
          assert(!error.message.includes('0505') && !error.message.includes('not*'));
          return true;
        },
      );
    }
  });

  it('does not show its secrets when it is printed or serialised', async (t) => {
    const dataDir = await folder(t);
    const keyring = await openKeyring({ dataDir, random });
    const texts = [
      inspect(keyring, { depth: 9, showHidden: true }),
      JSON.stringify(keyring),
      `${keyring.peppers.pepper(1)}`,
      String(keyring.derive('cursor')),
    ];
    const master = (await readFile(join(dataDir, 'secrets', 'master-key'), 'utf8')).trim();
    const pepper = (await readFile(join(dataDir, 'secrets', 'peppers'), 'utf8')).trim().slice(2);
    for (const text of texts) {
      for (const secret of [master, pepper]) {
        assert(!text.includes(secret));
        assert(!text.includes(Buffer.from(secret, 'base64url').toString('hex')));
      }
    }
    assert.equal(inspect({ a: keyring.peppers.pepper(1) }), '{ a: [secret] }');
  });

  it('refuses a file that somebody spoilt, and leaves it as it is', async (t) => {
    const dataDir = await folder(t);
    await openKeyring({ dataDir, random });
    const path = join(dataDir, 'secrets', 'master-key');
    await writeFile(path, 'spoilt');
    await assert.rejects(openKeyring({ dataDir, random }), { name: 'KeyringFault' });
    assert.equal(await readFile(path, 'utf8'), 'spoilt');
  });
});
