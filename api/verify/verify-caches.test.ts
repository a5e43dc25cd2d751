import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mintKey } from '../../commands/keys/key-format.ts';
import { rejectedAs, started } from '../../test/support/started-verifier.ts';
import { OTHER_TENANT, TENANT } from '../../test/support/verify-world.ts';

describe('the caches of verify', () => {
  it('hold that there is no such key, until there is', async (t) => {
    const w = await started(t);
    const text = mintKey('live', 'key_000000000001', new Uint8Array(32).fill(1));
    assert.equal((await w.verify(text)).code, 'NOT_FOUND');
    assert.equal((await w.verify(text)).code, 'NOT_FOUND');
    assert.equal(w.state.loads, 1);
    assert.equal((await w.issue()).text, text);
    await w.clock.advance(500);
    assert.equal((await w.verify(text)).code, 'VALID');
  });

  it('do not hold a foreign key’s miss', async (t) => {
    const w = await started(t);
    assert.equal((await w.verify('sk_old_1')).code, 'NOT_FOUND');
    await w.issue({}, TENANT, 'sk_old_1');
    assert.equal((await w.verify('sk_old_1')).code, 'VALID');
    assert.equal((await w.verify('sk_old_1')).code, 'VALID');
    assert.equal(w.state.loads, 2, 'a hit is held');
    assert.equal((await w.verify('sk_old_1', {}, OTHER_TENANT)).code, 'NOT_FOUND');
  });

  it('answer verify_stale to a foreign key that no fresh row places', async (t) => {
    const w = await started(t);
    await w.issue({}, TENANT, 'sk_old_1');
    const own = await w.issue();
    await w.verify('sk_old_1');
    w.state.projected = w.count();
    await w.issue();
    await w.clock.advance(6_000);
    await assert.rejects(w.verify('sk_old_1'), rejectedAs('verify_stale'));
    assert.equal((await w.verify(own.text)).code, 'VALID', 'one of our format names its stream');
  });

  it('fold once in 5 s, and only what is asked for', async (t) => {
    const w = await started(t);
    const { text } = await w.issue({ ownerId: 'o1' });
    w.state.projected = w.count() - 1;
    await w.clock.advance(6_000);
    await Promise.all(Array.from({ length: 50 }, () => w.verify(text)));
    assert.equal(w.state.reads, 3);
    await w.clock.advance(4_900);
    await w.verify(text);
    assert.equal(w.state.reads, 3);
    await w.clock.advance(200);
    await w.verify(text);
    assert.equal(w.state.reads, 6);
  });

  it('read your writes: a key is found at once by who sends the position of its issue', async (t) => {
    const w = await started(t);
    w.state.projected = w.count();
    const { text, position } = await w.issue();
    assert.equal((await w.verify(text)).code, 'NOT_FOUND');
    assert.equal((await w.verify(text, { atLeast: position })).code, 'VALID');
  });

  for (const behind of [false, true]) {
    it(`let a fold go for a change that is known of${behind ? ', also when its row cannot be read' : ''}`, async (t) => {
      const w = await started(t);
      w.state.projected = w.count();
      const { text, keyId, position } = await w.issue();
      assert.equal((await w.verify(text, { atLeast: position })).code, 'VALID', 'by a fold of the log');
      w.state.projected = null;
      w.state.rowsAway = behind;
      await w.revoke(keyId);
      await w.clock.advance(1_000);
      assert.equal((await w.verify(text)).code, 'REVOKED');
    });
  }

  it('drop everything when the log was replaced, and refuse', async (t) => {
    const w = await started(t);
    const { text, keyId } = await w.issue();
    await w.revoke(keyId);
    assert.equal((await w.verify(text)).code, 'REVOKED');
    w.log.truncateTail(1);
    await w.issue();
    await w.clock.advance(1_000);
    assert.equal(w.verifier.cache.size, 0);
    await assert.rejects(w.verify(text), rejectedAs('log_epoch_changed'));
    w.log.newEpoch();
    await w.clock.advance(1_000);
    assert.equal((await w.verify(text)).code, 'VALID', 'in the new history it was never revoked');
  });

  it('are not filled with a row of a lost history, though no poll has seen it yet', async (t) => {
    const w = await started(t);
    const { text, keyId } = await w.issue();
    const lost = await w.loadRows([{ keyId }]);
    w.log.truncateTail(1);
    const verifier = w.makeVerifier({ loadRows: async () => lost });
    verifier.start();
    await w.clock.advance(300);
    const context = { tenant: TENANT, route: 'v', traceId: null };
    await assert.rejects(
      async () => verifier.verify(context, { key: text }),
      rejectedAs('log_epoch_changed'),
    );
    assert.equal(verifier.cache.size, 0);
    const closed = verifier.close();
    await w.clock.advance(2_000);
    await closed;
  });

  it('are passed by when the log cannot say whether it holds what a row is of: streams are folded', async (t) => {
    const w = await started(t);
    let failures = 0;
    const facts: string[] = [];
    const verifier = w.makeVerifier({
      log: {
        head: () => w.log.head(),
        readStream: (stream) => w.log.readStream(stream),
        eventIdAt(position) {
          if (failures === 0) return w.log.eventIdAt(position);
          failures -= 1;
          return Promise.reject(new Error('no route to the log'));
        },
      },
      onFacts: (source) => facts.push(source),
    });
    verifier.start();
    await w.clock.advance(300);
    const context = { tenant: TENANT, route: 'v', traceId: null };
    failures = 1;
    const view = await verifier.verify(context, { key: (await w.issue()).text });
    assert.deepEqual([view.code, facts, verifier.cache.size], ['VALID', ['fold'], 0]);
    // As long as it cannot say so of anything, nobody knows what a fold is of.
    failures = Number.POSITIVE_INFINITY;
    const { text } = await w.issue();
    await assert.rejects(async () => verifier.verify(context, { key: text }), rejectedAs('verify_stale'));
    const closed = verifier.close();
    await w.clock.advance(2_000);
    await closed;
  });

  it('give way to what the decider knows: a revocation that a lease meets is the answer', async (t) => {
    const w = await started(t);
    const { text, keyId } = await w.issue({ credits: { remaining: 100, refill: null } });
    await w.clock.advance(500);
    assert.equal((await w.verify(text)).code, 'VALID', 'spends the one unit that was leased');
    w.state.pollsAway = true;
    await w.revoke(keyId);
    assert.equal((await w.verify(text)).code, 'REVOKED', 'though the cached facts still say otherwise');
  });

  it('forget leased credits with the history that they were leased in', async (t) => {
    const w = await started(t);
    const { text } = await w.issue({ credits: { remaining: 500, refill: null } });
    await w.clock.advance(500);
    await w.verify(text);
    await w.verify(text);
    assert.equal(w.state.leases, 1);
    w.log.truncateTail(1);
    w.log.newEpoch();
    await w.clock.advance(1_000);
    assert.equal((await w.verify(text)).code, 'VALID');
    assert.equal(w.state.leases, 2);
  });

  it('stay within their bounds', async (t) => {
    const w = await started(t, { maxEntries: 10 });
    for (let i = 0; i < 30; i++) await w.verify((await w.issue()).text);
    assert.equal(w.verifier.cache.size, 10);
  });
});
