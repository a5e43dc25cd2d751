import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { facts, issued, keySpec } from '../../test/support/key-spec.ts';
import { everything, keysWorld, peppersUpTo } from '../../test/support/keys-world.ts';
import { matchSecret } from './match-secret.ts';
import { repepperAll } from './repepper-all.ts';
import { decideRepepper, repepperKey } from './repepper-key.ts';
import { rotateKey } from './rotate-key.ts';

describe('re-peppering a key', () => {
  test('nests, so that the secret verifies under both peppers and not under the new one alone', async () => {
    const world = await keysWorld();
    const { keyId, text } = await world.issue();
    world.deps.peppers = peppersUpTo(2);
    const outcome = await repepperKey(world.deps, world.at(keyId), { keyId });
    assert.ok(outcome.kind === 'accepted');
    const { secrets } = outcome.state;
    assert.deepEqual(secrets[0]!.pepperVersions, [1, 2]);
    assert.ok(matchSecret(world.deps.peppers, secrets, text));
    assert.equal(matchSecret(world.deps.peppers, [{ ...secrets[0]!, pepperVersions: [2] }], text), null);
    assert.equal(matchSecret(peppersUpTo(1), secrets, text), null);
  });

  test('of secrets in overlap each keeps its own chain and its own end', async () => {
    const world = await keysWorld();
    const { keyId, text } = await world.issue();
    world.deps.peppers = peppersUpTo(2);
    const rotated = await rotateKey(world.deps, world.at(keyId), everything, { keyId, overlapSeconds: 60 });
    assert.ok(rotated.kind === 'accepted');
    const next = rotated.secret!.reveal();
    const outcome = await repepperKey(world.deps, world.at(keyId), { keyId });
    assert.ok(outcome.kind === 'accepted');
    const { secrets } = outcome.state;
    assert.deepEqual(
      secrets.map((s) => s.pepperVersions),
      [[1, 2], [2]],
    );
    assert.deepEqual(
      secrets.map((s) => s.validUntilMs),
      rotated.state.secrets.map((s) => s.validUntilMs),
    );
    assert.equal(matchSecret(world.deps.peppers, secrets, text), secrets[0]);
    assert.equal(matchSecret(world.deps.peppers, secrets, next), secrets[1]);
  });

  test('nothing when all secrets are under the current pepper', async () => {
    const world = await keysWorld();
    const { keyId } = await world.issue();
    const outcome = await repepperKey(world.deps, world.at(keyId), { keyId });
    assert.equal(outcome.kind === 'accepted' && outcome.position, null);
  });

  test('a chain that is as long as it may be is refused', () => {
    const pepperVersions = Array.from({ length: 17 }, (_, i) => i + 1);
    keySpec
      .given(issued())
      .when(decideRepepper, { ...facts, secrets: [{ digest: 'other', pepperVersions }] })
      .thenRefused('conflict', /16 peppers/);
  });
});

test('all keys are re-peppered page by page, with progress, and a second run finds nothing to do', async () => {
  const world = await keysWorld();
  const keys: { keyId: string; tenant: string }[] = [];
  for (let i = 0; i < 20; i++) keys.push({ keyId: (await world.issue()).keyId, tenant: world.tenant });
  keys.sort((a, b) => (a.keyId < b.keyId ? -1 : 1));
  const pages = async ({ after, limit }: { after: string | null; limit: number }) =>
    keys.filter(({ keyId }) => after === null || keyId > after).slice(0, limit);
  world.deps.peppers = peppersUpTo(2);
  const seen: number[] = [];
  const options = {
    signal: new AbortController().signal,
    onProgress: (p: { seen: number }) => void seen.push(p.seen),
  };
  const first = await repepperAll(world.deps, pages, options);
  assert.deepEqual([first.seen, first.repeppered, first.refused], [20, 20, 0]);
  assert.deepEqual(seen, [16, 20]);
  const second = await repepperAll(world.deps, pages, options);
  assert.deepEqual([second.seen, second.repeppered], [20, 0]);
});
