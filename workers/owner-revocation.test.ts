import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isRevoked } from '../commands/keys/is-revoked.ts';
import { revokeOwnerKeys } from '../commands/keys/revoke-owner-keys.ts';
import { runReactor } from '../commands/reactor.ts';
import { keyStream, ownerStream } from '../commands/streams.ts';
import type { Recorded } from '../schemas/envelope.ts';
import { keysWorld } from '../test/support/keys-world.ts';
import { memoryReactorCheckpoints } from '../test/support/reactor-checkpoints.ts';
import { spoiledCodec } from '../test/support/spoiled-codec.ts';
import { ownerRevocation } from './owner-revocation.ts';

const ownerId = 'own_1';

async function reactingWorld(isSpoiled: (event: Recorded) => boolean = () => false) {
  const made = await keysWorld();
  const world = { ...made, deps: { ...made.deps, codec: spoiledCodec(made.deps.codec, isSpoiled) } };
  const keyIds: string[] = [];
  const revokeAll = () =>
    revokeOwnerKeys(world.deps, world.context(ownerStream(world.tenant, ownerId)), {
      ownerId,
      reason: 'phished',
    });
  const reactor = ownerRevocation(world.deps, async (_tenant, _owner, { after, limit }) => {
    const from = after === null ? 0 : Number(after);
    const items = keyIds.slice(from, from + limit).map((keyId) => ({ keyId }));
    const next = from + limit < keyIds.length ? (String(from + limit) as never) : null;
    return { items, next };
  });
  return {
    ...world,
    revokeAll,
    async issueOwned() {
      const issued = await world.issue({ ownerId });
      keyIds.push(issued.keyId);
      return issued;
    },
    async follow() {
      const stop = new AbortController();
      const deps = { ...world.deps, checkpoints: memoryReactorCheckpoints() };
      const running = runReactor(deps, reactor, { signal: stop.signal });
      await world.clock.advance(3_000);
      stop.abort();
      await world.clock.advance(1_000);
      await running;
    },
  };
}

describe('the follow-up to a revoke-all', () => {
  test('writes the revocation on every key that was issued before, page after page', async () => {
    const { issueOwned, revokeAll, follow, types, state, log } = await reactingWorld();
    const keys = [];
    for (let i = 0; i < 20; i++) keys.push(await issueOwned());
    const revoked = await revokeAll();
    await follow();
    for (const { keyId } of keys) assert.deepEqual(types(keyId), ['key.issued', 'key.revoked']);
    const key = await state(keys[0]!.keyId);
    assert.deepEqual([key.revokedCause, key.version], ['owner', 2]);
    assert.ok(revoked.kind === 'accepted');
    assert.equal(log.events.filter((e) => e.type === 'key.revoked').length, 20);
  });

  test('revoke all, issue a new one: the follow-up leaves the new one alone', async () => {
    const { issueOwned, revokeAll, follow, types, owner, state } = await reactingWorld();
    const old = await issueOwned();
    await revokeAll();
    const fresh = await issueOwned();
    await follow();
    assert.deepEqual(types(old.keyId), ['key.issued', 'key.revoked']);
    assert.deepEqual(types(fresh.keyId), ['key.issued']);
    assert.equal(isRevoked(await state(fresh.keyId), await owner(ownerId)), false);
  });

  test('a follow-up that starts from nothing again writes nothing twice', async () => {
    const { issueOwned, revokeAll, follow, log } = await reactingWorld();
    await issueOwned();
    await revokeAll();
    await follow();
    const count = log.events.length;
    await follow();
    assert.equal(log.events.length, count);
  });

  test('a key with an event that cannot be read keeps no other waiting, and is revoked all the same', async () => {
    const bad = new Set<string>();
    const world = await reactingWorld((event) => bad.has(event.stream));
    const { issueOwned, revokeAll, follow, types, owner, state } = world;
    const keys = [await issueOwned(), await issueOwned(), await issueOwned()];
    const spoiled = keys[1]!.keyId;
    await revokeAll();
    bad.add(keyStream(spoiled));
    await follow();
    assert.deepEqual(
      keys.map(({ keyId }) => types(keyId).length),
      [2, 1, 2],
    );
    bad.clear();
    assert.ok(isRevoked(await state(spoiled), await owner(ownerId)));
  });
});
