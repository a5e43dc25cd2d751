import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { importKeysSchema } from '../../schemas/commands/keys.ts';
import type { TenantId } from '../../schemas/envelope.ts';
import { everything, keysWorld } from '../../test/support/keys-world.ts';
import { tenantIdOf } from '../ids.ts';
import { foreignDigests } from './digest.ts';
import { importKeys } from './import-keys.ts';
import { parseKey } from './key-format.ts';
import { matchSecret } from './match-secret.ts';
import { rotateKey } from './rotate-key.ts';

const TEXT = 'sk_live_4eC39HqLyjWDarjtT1zdp7dc';
const sha = createHash('sha256').update(TEXT).digest();
const digestOf = (value: string) => ({ algorithm: 'sha256', value });
const batch = (...keys: object[]) => importKeysSchema.parse({ keys });

describe('importing keys by digest', () => {
  test('the text verifies later, is found among its digests, and neither it nor its plain hash is in the log', async () => {
    const world = await keysWorld();
    const input = batch({ digest: digestOf(sha.toString('hex')), scopes: ['a'] });
    const [result] = await importKeys(world.deps, (target) => world.context(target), input);
    assert.ok(result!.outcome.kind === 'accepted');
    const { secrets, format, use } = result!.outcome.state;
    assert.deepEqual([format, use, secrets[0]!.hint], ['foreign', 'api', null]);
    assert.ok(matchSecret(world.deps.peppers, secrets, TEXT));
    assert.equal(matchSecret(world.deps.peppers, secrets, `${TEXT}x`), null);
    assert.ok(foreignDigests(world.deps.peppers, TEXT).includes(secrets[0]!.digest));
    for (const kept of [TEXT, sha.toString('hex'), sha.toString('base64'), sha.toString('base64url')]) {
      assert.ok(!world.text().includes(kept));
    }
  });

  test('one digest, however written, is one key of a tenant; of another tenant it is another', async () => {
    const { deps, context } = await keysWorld();
    const written = (['hex', 'base64', 'base64url'] as const).map((encoding) => sha.toString(encoding));
    const input = batch(...written.map((value) => ({ digest: digestOf(value) })));
    const results = await importKeys(deps, (target) => context(target), input);
    assert.equal(new Set(results.map((r) => r.keyId)).size, 1);
    const codes = results.map(({ outcome }) => (outcome.kind === 'rejected' ? outcome.rejection.code : 'ok'));
    assert.deepEqual(codes.sort(), ['already_exists', 'already_exists', 'ok']);
    const tenant: TenantId = tenantIdOf('default');
    const one = batch({ digest: digestOf(written[0]!) });
    const [elsewhere] = await importKeys(deps, (target) => ({ ...context(target), tenant }), one);
    assert.ok(elsewhere!.outcome.kind === 'accepted' && elsewhere!.keyId !== results[0]!.keyId);
  });

  test('a retry of a batch answers each as before', async () => {
    const { deps, context, log } = await keysWorld();
    const input = batch({ digest: digestOf(sha.toString('hex')) }, { digest: digestOf('0'.repeat(64)) });
    const ask = () => importKeys(deps, (target) => context(target, 'batch'), input);
    await ask();
    const count = log.events.length;
    const again = await ask();
    assert.ok(again.every(({ outcome }) => outcome.kind === 'accepted' && outcome.replayed));
    assert.equal(log.events.length, count);
  });

  test('an imported key is rotated into our own format, and both texts open it through the overlap', async () => {
    const { deps, context, at } = await keysWorld();
    const input = batch({ digest: digestOf(sha.toString('hex')) });
    const [imported] = await importKeys(deps, (target) => context(target), input);
    const { keyId } = imported!;
    const rotated = await rotateKey(deps, at(keyId), everything, { keyId, overlapSeconds: 60 });
    assert.ok(rotated.kind === 'accepted');
    const next = rotated.secret!.reveal();
    assert.deepEqual(parseKey(next), { kind: 'plinth', keyId, mode: 'live' });
    const { secrets } = rotated.state;
    assert.equal(matchSecret(deps.peppers, secrets, TEXT), secrets[0]);
    assert.equal(matchSecret(deps.peppers, secrets, next), secrets[1]);
  });
});
