import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TenantId } from '../schemas/envelope.ts';
import { everything, keysWorld } from '../test/support/keys-world.ts';
import { keyAsOf } from './keys/key-as-of.ts';
import { keyHistory } from './keys/key-history.ts';
import { revokeKey } from './keys/revoke-key.ts';
import { updateKey } from './keys/update-key.ts';

test('another tenant’s key is not even decoded: neither its length nor its damage tells that it exists', async () => {
  const world = await keysWorld();
  const { keyId } = await world.issue({ name: 'First' });
  let decodedEvents = 0;
  const codec = {
    ...world.deps.codec,
    async decode(events: Parameters<typeof world.deps.codec.decode>[0]) {
      decodedEvents += events.length;
      return world.deps.codec.decode(events);
    },
  };
  const deps = { ...world.deps, codec };
  const tenant = `tnt_${'f'.repeat(32)}` as TenantId;
  const context = { ...world.at(keyId), tenant };
  for (const outcome of [
    await revokeKey(deps, context, { keyId, reason: null }),
    await updateKey(deps, context, everything, { keyId, name: 'Mine' }),
  ]) {
    assert.equal(outcome.kind === 'rejected' && outcome.rejection.code, 'not_found');
  }
  assert.equal(await keyHistory(deps, tenant, keyId, { after: null, limit: 10 }), null);
  assert.equal(await keyAsOf(deps, tenant, keyId, { timeMs: world.clock.now() }), null);
  assert.equal(decodedEvents, 0);
  await updateKey(deps, world.at(keyId), everything, { keyId, name: 'Second' });
  assert.ok(decodedEvents > 0, 'its own is');
});
