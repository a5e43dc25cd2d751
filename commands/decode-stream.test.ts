import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Recorded, TenantId } from '../schemas/envelope.ts';
import { flagsWorld, PROJECT } from '../test/support/flags-world.ts';
import { everything, keysWorld } from '../test/support/keys-world.ts';
import { type Codec, UndecodableEvent } from './codec.ts';
import { decodeStream } from './decode-stream.ts';
import { keyAsOf } from './keys/key-as-of.ts';
import { keyHistory } from './keys/key-history.ts';
import { revokeKey } from './keys/revoke-key.ts';
import { updateKey } from './keys/update-key.ts';
import { requestOnParked } from './projections/request-on-parked.ts';
import { environmentStream, keyStream, subjectStream } from './streams.ts';
import { ERASURE_WAIT_MS, eraseSubject } from './subjects/erase-subject.ts';

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

test('of what was discarded only that is left out at which the read model had stopped', async () => {
  const world = await keysWorld();
  const { keyId } = await world.issue({ name: 'First' });
  const bad = new Set<number>();
  const codec = {
    ...world.deps.codec,
    async decode(events: Parameters<typeof world.deps.codec.decode>[0]) {
      const unreadable = events.find(({ version }) => bad.has(version));
      if (unreadable) throw new UndecodableEvent(unreadable, 'spoiled');
      return world.deps.codec.decode(events);
    },
    decodePublic(event: Recorded) {
      if (bad.has(event.version)) throw new UndecodableEvent(event, 'spoiled');
      return world.deps.codec.decodePublic(event);
    },
  };
  const deps = { ...world.deps, codec };
  const stream = keyStream(keyId);
  const rename = (name: string) => updateKey(world.deps, world.at(keyId), everything, { keyId, name });
  const discard = (version: number, projection = 'keys') =>
    requestOnParked(world.deps, world.at(keyId), stream, {
      type: 'projection.discard-requested',
      data: { projection, version },
    });
  const names = async () => {
    const events = await decodeStream(codec, await world.log.readStream(stream));
    return events.flatMap(({ type, data }) =>
      type === 'key.renamed' ? (data as { name: string }).name : [],
    );
  };

  await rename('Second');
  await discard(4);
  await rename('Fourth');
  bad.add(2).add(4);
  await discard(4);
  await discard(2, 'tenants');
  await assert.rejects(names(), /stream_parked/, 'the stream is parked at 2, and only `keys` is trusted');
  await discard(2);
  await assert.rejects(names(), /version 4/, 'now it is parked at 4: what was asked before was not obeyed');
  await discard(4);
  assert.deepEqual(await names(), []);
  await rename('Last');
  assert.deepEqual(await names(), ['Last']);
  // The past is read without it as well, although the discards came later.
  const then = await keyAsOf(deps, world.tenant, keyId, { timeMs: world.clock.now() });
  assert.equal(then?.key.name, 'Last');
  const past = await world.log.readStream(stream, { through: 3 });
  assert.equal((await decodeStream(codec, past, await world.log.readStream(stream))).length, 2);
});

test('an event whose personal fields do not open counts with what it says in public, among others that open', async () => {
  const world = await keysWorld();
  const { keyId } = await world.issue({ name: 'First' });
  await updateKey(world.deps, world.at(keyId), everything, { keyId, name: 'Second', scopes: ['a:b'] });
  const sealed = new Set(['key.renamed']);
  const codec = {
    ...world.deps.codec,
    async decode(events: readonly Recorded[]) {
      const damaged = events.find(({ type }) => sealed.has(type));
      if (damaged) throw new UndecodableEvent(damaged, 'name does not open under its data key');
      return world.deps.codec.decode(events);
    },
    decodePublic(event: Recorded) {
      const decoded = world.deps.codec.decodePublic(event);
      return { ...decoded, data: { ...(decoded.data as object), name: null } };
    },
  };
  const deps = { ...world.deps, codec };
  const { key } = (await keyAsOf(deps, world.tenant, keyId, { timeMs: world.clock.now() }))!;
  assert.deepEqual([key.name, key.scopes, key.version], [null, ['a:b'], 3]);
  const revoked = await revokeKey(deps, world.at(keyId), { keyId, reason: null });
  assert.equal(revoked.kind, 'accepted');
});

test('of the stream of an erasure the discards of the list of keys count, for no other projection applies it', async () => {
  const world = await keysWorld();
  const stream = subjectStream(world.tenant, 'ann');
  const dataKeys = { close: async () => [] };
  const erasing = eraseSubject({ ...world.deps, dataKeys }, world.at('ann'), { subject: 'ann' });
  await world.clock.advance(ERASURE_WAIT_MS);
  await erasing;
  const spoiled = spoiledAtFirst(world.deps.codec);
  const discard = (projection: string) =>
    requestOnParked(world.deps, world.at('ann'), stream, {
      type: 'projection.discard-requested',
      data: { projection, version: 1 },
    });
  await discard('keys');
  await assert.rejects(decodeStream(spoiled, await world.log.readStream(stream)), /stream_parked/);
  await discard('key_list');
  assert.equal((await decodeStream(spoiled, await world.log.readStream(stream))).length, 2);
});

test('of the stream of an environment the discards of the flags count, for the keys have nothing of it', async () => {
  const world = await flagsWorld();
  const stream = environmentStream(world.tenant, PROJECT, 'production');
  const spoiled = spoiledAtFirst(world.deps.codec);
  const discard = (projection: string) =>
    requestOnParked(world.deps, world.at('production'), stream, {
      type: 'projection.discard-requested',
      data: { projection, version: 1 },
    });
  await discard('keys');
  await assert.rejects(decodeStream(spoiled, await world.log.readStream(stream)), /stream_parked/);
  await discard('flags');
  assert.equal((await decodeStream(spoiled, await world.log.readStream(stream))).length, 2);
});

/** The first event of any stream cannot be read. */
function spoiledAtFirst(codec: Codec): Codec {
  return {
    ...codec,
    async decode(events: Parameters<Codec['decode']>[0]) {
      const first = events.find(({ version }) => version === 1);
      if (first) throw new UndecodableEvent(first, 'spoiled');
      return codec.decode(events);
    },
    decodePublic(event: Recorded) {
      if (event.version === 1) throw new UndecodableEvent(event, 'spoiled');
      return codec.decodePublic(event);
    },
  };
}
