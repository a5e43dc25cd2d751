/** Verifiers in several processes, one of which reads what another has shared. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { keyStream } from '../../commands/streams.ts';
import type { PlinthError } from '../../schemas/errors.ts';
import { Secret } from '../../schemas/secret.ts';
import { memorySharedCache } from '../../test/engines/memory-shared-cache.ts';
import { TENANT, verifyWorld } from '../../test/support/verify-world.ts';

const secret = new Secret(new Uint8Array(32).fill(5));

async function twoProcesses(t: TestContext) {
  const w = verifyWorld();
  const cache = memorySharedCache({ clock: w.clock });
  const process = async () => {
    const sources: string[] = [];
    const shared: string[] = [];
    const verifier = w.makeVerifier({
      shared: { cache, secret },
      onFacts: (source) => sources.push(source),
      onShared: (event) => shared.push(event),
    });
    verifier.start();
    await w.clock.advance(300);
    t.after(async () => {
      const closed = verifier.close();
      await w.clock.advance(2_000);
      await closed;
    });
    const verify = async (key: string) => {
      const verified = Promise.resolve(
        verifier.verify({ tenant: TENANT, route: 'verify', traceId: null }, { key }),
      ).then(
        (view) => view.code,
        (error: unknown) => (error as PlinthError).rejection.code,
      );
      await w.clock.advance(100);
      return verified;
    };
    return { verifier, verify, sources, shared };
  };
  return { w, cache, process, a: await process(), b: await process() };
}

describe('a row that processes share', () => {
  it('is read once for all of them', async (t) => {
    const { w, a, b } = await twoProcesses(t);
    const { text } = await w.issue();
    assert.deepEqual([await a.verify(text), await b.verify(text)], ['VALID', 'VALID']);
    assert.deepEqual([w.state.loads, a.sources, b.sources], [1, ['row'], ['shared']]);
    await b.verify(text);
    assert.deepEqual(b.sources, ['shared'], 'and is held from then on');
  });

  it('from before a revocation is not used after it', async (t) => {
    const { w, a, b, cache } = await twoProcesses(t);
    const { text, keyId } = await w.issue();
    await a.verify(text);
    const [old] = [...cache.records.values()];
    await w.revoke(keyId);
    await w.clock.advance(500);
    assert.equal(await b.verify(text), 'REVOKED');
    // Whoever can write there puts the old entry back, over the newer one.
    cache.records.set(old!.name, old!);
    b.verifier.facts.drop();
    assert.equal(await b.verify(text), 'REVOKED');
    assert.deepEqual(b.shared, ['unusable', 'unusable']);
  });

  it('does not stand in for a projector that is dead: the log is folded, and without it the answer is none', async (t) => {
    const { w, a, b } = await twoProcesses(t);
    const { text, keyId } = await w.issue();
    await a.verify(text);
    w.state.projected = w.count();
    await w.revoke(keyId);
    await w.clock.advance(5_300);
    assert.equal(await b.verify(text), 'REVOKED');
    assert.deepEqual([b.sources, b.shared[0]], [['fold'], 'unusable']);
    w.state.logAway = true;
    await w.clock.advance(6_000);
    assert.equal(await b.verify(text), 'verify_stale');
    assert.equal(await a.verify(text), 'verify_stale');
  });

  it('of a tail that the log has lost is not used by a process that has never seen it', async (t) => {
    const { w, a, process } = await twoProcesses(t);
    const { text, keyId } = await w.issue();
    await w.append(keyStream(keyId), 'key.disabled', { reason: null }, TENANT);
    await w.append(keyStream(keyId), 'key.enabled', { reason: null }, TENANT);
    await w.clock.advance(300);
    assert.equal(await a.verify(text), 'VALID');
    w.log.truncateTail(1);
    const late = await process();
    await w.issue();
    await w.clock.advance(500);
    assert.equal(await late.verify(text), 'DISABLED');
    assert.deepEqual([late.shared[0], late.sources], ['rejected', ['row']]);
    assert.equal(await a.verify(text), 'log_epoch_changed', 'who has seen it halts');
  });

  it('is not used where somebody else made it, or passes one key’s off as another’s', async (t) => {
    const { w, a, b, cache } = await twoProcesses(t);
    const good = await w.issue();
    const bad = await w.issue();
    await w.revoke(bad.keyId);
    await w.clock.advance(300);
    await a.verify(good.text);
    const [record] = [...cache.records.values()];
    const name = record!.name.replace(good.keyId, bad.keyId);
    cache.records.set(name, { ...record!, name });
    assert.equal(await b.verify(bad.text), 'REVOKED');
    cache.records.set(record!.name, { ...record!, text: 'x'.repeat(100_000) });
    assert.equal(await b.verify(good.text), 'VALID');
    assert.deepEqual(b.shared, ['rejected', 'rejected']);
  });

  it('may be gone, and all goes on from the rows', async (t) => {
    const { w, a, b, cache } = await twoProcesses(t);
    const { text, keyId } = await w.issue();
    await a.verify(text);
    cache.getMany = () => Promise.reject(new Error('no route'));
    cache.claim = () => new Promise(() => {});
    cache.put = () => new Promise(() => {});
    assert.equal(await b.verify(text), 'VALID');
    assert.deepEqual([w.state.loads, b.shared], [2, ['failed']]);
    await w.revoke(keyId);
    await w.clock.advance(500);
    assert.deepEqual([await a.verify(text), await b.verify(text)], ['REVOKED', 'REVOKED']);
  });

  it('is not made of ids that nobody has', async (t) => {
    const { w, a, cache } = await twoProcesses(t);
    const { text } = await w.issue();
    w.state.projected = 0;
    await a.verify(text);
    assert.equal(cache.records.size, 0);
  });
});
