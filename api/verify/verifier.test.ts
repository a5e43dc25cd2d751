import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { pepperedDigest } from '../../commands/keys/digest.ts';
import { mintKey } from '../../commands/keys/key-format.ts';
import { keyStream, ownerStream, tenantStream } from '../../commands/streams.ts';
import type { StreamId } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { verifyViewSchema } from '../../schemas/views/verify.ts';
import { OTHER_TENANT, TENANT, testPeppers, verifyWorld } from '../../test/support/verify-world.ts';

/** A running world, closed when the test ends. */
async function started(t: TestContext, options?: Parameters<typeof verifyWorld>[0]) {
  const world = verifyWorld(options);
  await world.append(
    tenantStream(TENANT),
    'tenant.created',
    { tenantId: TENANT, slug: 's', name: null },
    TENANT,
  );
  world.verifier.start();
  await world.clock.advance(300);
  t.after(() => world.close());
  return world;
}

function code(expected: string) {
  return (error: unknown) => error instanceof PlinthError && error.rejection.code === expected;
}

const burst = { name: 'burst', limit: 2, windowSeconds: 60 };

describe('verify', () => {
  it('answers what the schema says, and never the secret', async (t) => {
    const w = await started(t);
    const { text, keyId } = await w.issue({ scopes: ['a:read'], limits: [burst], ownerId: 'o1' });
    const view = await w.verify(text, { scopes: 'a:read' });
    assert.deepEqual(verifyViewSchema.parse(view), view);
    assert.equal(view.code, 'VALID');
    assert.equal(view.keyId, keyId);
    assert.deepEqual(view.limits, [{ ...burst, remaining: 1, resetSeconds: 30 }]);
    assert.ok(!JSON.stringify(view).includes(text.slice(-49)));
  });

  it('answers at once, without a promise, when the facts are cached', async (t) => {
    const w = await started(t);
    const { text } = await w.issue({ limits: [burst] });
    await w.verify(text);
    assert.ok(
      !(w.verifier.verify({ tenant: TENANT, route: 'v', traceId: null }, { key: text }) instanceof Promise),
    );
  });

  const at = (ms: number) => new Date(Date.parse('2026-01-01T00:00:00Z') + ms).toISOString();
  const codes: readonly [
    string,
    Parameters<ReturnType<typeof verifyWorld>['issue']>[0],
    Record<string, unknown>,
    string,
  ][] = [
    ['a key whose time has not come', { notBefore: at(3_600_000) }, {}, 'NOT_YET_VALID'],
    ['a key past its expiry, before any event says so', { expiresAt: at(1) }, {}, 'EXPIRED'],
    ['an address that is not allowed', { allowedIps: ['10.0.0.0/8'] }, { ip: '11.0.0.1' }, 'FORBIDDEN'],
    ['no address where one is demanded', { allowedIps: ['10.0.0.0/8'] }, {}, 'FORBIDDEN'],
    ['an allowed address', { allowedIps: ['10.0.0.0/8'] }, { ip: '10.1.2.3' }, 'VALID'],
    ['a missing scope', { scopes: ['a'] }, { scopes: 'b' }, 'INSUFFICIENT_PERMISSIONS'],
    ['one of several scopes', { scopes: ['a'] }, { scopes: { any: ['b', 'a'] } }, 'VALID'],
    ['exhausted credits', { credits: { remaining: 0, refill: null } }, {}, 'USAGE_EXCEEDED'],
  ];
  for (const [name, issued, asked, expected] of codes) {
    it(`answers ${expected} to ${name}`, async (t) => {
      const w = await started(t);
      const { text } = await w.issue(issued);
      assert.equal((await w.verify(text, asked)).code, expected);
    });
  }

  it('tells nothing of an unknown, a mistyped or another tenant’s key', async (t) => {
    const w = await started(t);
    const { text, keyId } = await w.issue({}, OTHER_TENANT);
    const made = mintKey('live', 'key_zzzzzzzzzzzz', new Uint8Array(32));
    const wrong = mintKey('live', keyId, new Uint8Array(32).fill(99));
    for (const asked of [text, made, wrong, `${text.slice(0, -1)}!`, `${text.slice(0, -1)}0`]) {
      const view = await w.verify(asked);
      assert.deepEqual([view.code, view.keyId, view.ownerId, view.use], ['NOT_FOUND', null, null, null]);
    }
    assert.deepEqual(w.decisions, []);
  });

  it('finds no such key where it is given a management key', async (t) => {
    const w = await started(t);
    const { text } = await w.issue({ use: 'management', permissions: ['keys:*'] });
    const view = await w.verify(text);
    assert.deepEqual([view.valid, view.code, view.keyId], [false, 'NOT_FOUND', null]);
    assert.deepEqual(w.decisions, []);
  });

  it('takes the old secret until its overlap ends, by the clock', async (t) => {
    const w = await started(t);
    const old = await w.issue();
    const fresh = mintKey('live', old.keyId, new Uint8Array(32).fill(77));
    const digest = Buffer.from(pepperedDigest(testPeppers, [1], fresh)!).toString('base64url');
    const secret = { digest, pepperVersions: [1], hint: null };
    const overlapUntil = new Date(w.clock.now() + 10_000).toISOString();
    await w.append(keyStream(old.keyId), 'key.rotated', { secret, overlapUntil }, TENANT);
    assert.deepEqual([(await w.verify(old.text)).code, (await w.verify(fresh)).code], ['VALID', 'VALID']);
    await w.clock.advance(10_000);
    assert.deepEqual([(await w.verify(old.text)).code, (await w.verify(fresh)).code], ['NOT_FOUND', 'VALID']);
  });

  it('names the limit that the key does not have', async (t) => {
    const w = await started(t);
    const { text } = await w.issue({ limits: [burst] });
    await assert.rejects(w.verify(text, { limits: [{ name: 'other' }] }), code('unknown_limit'));
    assert.deepEqual((await w.verify(text, { limits: [] })).limits, []);
  });

  it('spends nothing on a denial, and denies in the order of the codes', async (t) => {
    const w = await started(t);
    const { text } = await w.issue({
      limits: [burst],
      credits: { remaining: 5, refill: null },
      scopes: ['a'],
    });
    for (let i = 0; i < 5; i++) {
      const view = await w.verify(text, { scopes: 'b' });
      assert.equal(view.code, 'INSUFFICIENT_PERMISSIONS');
      assert.deepEqual([view.limits[0]!.remaining, view.credits], [2, { remaining: 5 }]);
    }
    await w.verify(text);
    await w.verify(text);
    const limited = await w.verify(text);
    assert.deepEqual(
      [limited.code, limited.credits, limited.retryAfterSeconds],
      ['RATE_LIMITED', { remaining: 3 }, 30],
    );
    assert.equal((await w.verify(text, { scopes: 'b' })).code, 'RATE_LIMITED');
    for (let i = 0; i < 3; i++) assert.equal((await w.verify(text, { limits: [] })).code, 'VALID');
    assert.equal((await w.verify(text, { scopes: 'b' })).code, 'USAGE_EXCEEDED');
    assert.equal((await w.verify(text)).code, 'USAGE_EXCEEDED');
  });

  it('spends once under a request id, and judges a retry anew', async (t) => {
    const w = await started(t);
    const { text, keyId } = await w.issue({ limits: [burst], credits: { remaining: 9, refill: null } });
    const first = await w.verify(text, { requestId: 'r1' });
    const [again, shared] = await Promise.all([
      w.verify(text, { requestId: 'r1' }),
      w.verify(text, { requestId: 'r1' }),
    ]);
    assert.deepEqual([again.limits, again.credits], [first.limits, first.credits]);
    assert.deepEqual(shared.limits, first.limits);
    await assert.rejects(w.verify(text, { requestId: 'r1', limits: [] }), code('request_id_reused'));
    await w.revoke(keyId);
    await w.clock.advance(500);
    assert.equal((await w.verify(text, { requestId: 'r1' })).code, 'REVOKED');
  });

  it('spends once when duplicates of one request id race on a cold cache', async (t) => {
    const w = await started(t);
    const { text } = await w.issue({ limits: [burst], credits: { remaining: 200, refill: null } });
    const views = await Promise.all(Array.from({ length: 20 }, () => w.verify(text, { requestId: 'r' })));
    assert.ok(views.every((v) => v.code === 'VALID'));
    assert.equal((await w.verify(text)).limits[0]!.remaining, 0);
  });

  it('never overspends credits with several verifiers', async (t) => {
    const w = await started(t);
    const { text } = await w.issue({ credits: { remaining: 50, refill: null } });
    const others = [w.makeVerifier(), w.makeVerifier()];
    for (const other of others) other.start();
    await w.clock.advance(300);
    const context = { tenant: TENANT, route: 'v', traceId: null };
    const views = [];
    for (let i = 0; i < 120; i++) {
      views.push(await [w.verifier, ...others][i % 3]!.verify(context, { key: text }));
    }
    const valid = views.filter((v) => v.valid).length;
    assert.ok(valid <= 50 && valid >= 45, `${valid} of 50 credits`);
    for (const other of others) {
      const closed = other.close();
      await w.clock.advance(1_000);
      await closed;
    }
  });

  it('judges a batch one by one', async (t) => {
    const w = await started(t);
    const good = await w.issue();
    const limited = await w.issue({ limits: [burst] });
    const results = await w.verifier.verifyMany({ tenant: TENANT, route: 'batch', traceId: null }, [
      { key: good.text },
      { key: limited.text, limits: [{ name: 'none' }] },
      { key: 'nonsense' },
    ]);
    assert.deepEqual(
      results.map((r) => ('error' in r ? r.error.code : r.code)),
      ['VALID', 'unknown_limit', 'NOT_FOUND'],
    );
    assert.equal(w.state.loads, 1, 'all rows in one statement');
  });

  it('denies a key when its own, its owner’s or its tenant’s stream is parked', async (t) => {
    for (const stream of ['own', 'owner', 'tenant'] as const) {
      const w = await started(t);
      const { text, keyId } = await w.issue({ ownerId: 'o1' });
      const parked: StreamId =
        stream === 'own'
          ? keyStream(keyId)
          : stream === 'owner'
            ? ownerStream(TENANT, 'o1')
            : tenantStream(TENANT);
      w.state.parked.add(parked);
      assert.equal((await w.verify(text)).code, 'STREAM_PARKED');
    }
  });

  it('revokes by the owner, and suspends by the tenant', async (t) => {
    const w = await started(t);
    const { text } = await w.issue({ ownerId: 'o1' });
    assert.equal((await w.verify(text)).code, 'VALID');
    await w.append(ownerStream(TENANT, 'o1'), 'owner.keys-revoked', { ownerId: 'o1', reason: null }, TENANT);
    await w.clock.advance(500);
    assert.equal((await w.verify(text)).code, 'REVOKED');
    const later = await w.issue({ ownerId: 'o1', ownerVersion: 1 });
    assert.equal((await w.verify(later.text)).code, 'VALID');
    await w.append(tenantStream(TENANT), 'tenant.suspended', { reason: null }, TENANT);
    await w.clock.advance(500);
    assert.equal((await w.verify(later.text)).code, 'TENANT_SUSPENDED');
  });
});

describe('a revocation', () => {
  const faults: readonly [string, (w: Awaited<ReturnType<typeof started>>) => void][] = [
    ['with no hints at all', () => {}],
    [
      'with the poll of changes stalled',
      (w) => {
        w.state.pollsAway = true;
      },
    ],
    [
      'with the poll stalled and the rows away',
      (w) => {
        w.state.pollsAway = w.state.rowsAway = true;
      },
    ],
    [
      'with the projector dead',
      (w) => {
        w.state.projected = w.count();
      },
    ],
    ['with the cache flushed', (w) => w.verifier.facts.drop()],
  ];
  for (const [name, fault] of faults) {
    it(`is seen within 5 s ${name}`, async (t) => {
      const w = await started(t);
      const { text, keyId } = await w.issue();
      assert.equal((await w.verify(text)).code, 'VALID');
      fault(w);
      // Asked all the while, so that every cache that could serve an old yes is warm.
      for (let i = 0; i < 12; i++) {
        await w.clock.advance(500);
        assert.equal((await w.verify(text)).code, 'VALID');
      }
      await w.revoke(keyId);
      const revokedMs = w.clock.now();
      let seenMs: number | null = null;
      for (let i = 0; i < 60 && seenMs === null; i++) {
        if ((await w.verify(text)).code === 'REVOKED') seenMs = w.clock.now() - revokedMs;
        await w.clock.advance(100);
      }
      assert.ok(seenMs !== null && seenMs <= 5_000, `seen after ${seenMs} ms`);
      for (let i = 0; i < 20; i++) {
        assert.equal((await w.verify(text)).code, 'REVOKED', 'no yes after it was seen');
        await w.clock.advance(400);
      }
    });
  }

  it('cannot be missed: 503 when neither read model nor log can be asked for 5 s', async (t) => {
    const w = await started(t);
    const { text } = await w.issue();
    assert.equal((await w.verify(text)).code, 'VALID');
    w.state.pollsAway = w.state.rowsAway = w.state.logAway = true;
    await w.clock.advance(4_000);
    assert.equal((await w.verify(text)).code, 'VALID', 'the last head and poll are 4 s old');
    await w.clock.advance(2_000);
    await assert.rejects(w.verify(text), (error: unknown) => {
      assert.ok(error instanceof PlinthError);
      assert.equal(error.rejection.code, 'verify_stale');
      assert.equal(error.rejection.extra?.retryAfterSeconds, 1);
      return true;
    });
    w.state.pollsAway = w.state.rowsAway = w.state.logAway = false;
    await w.clock.advance(1_000);
    assert.equal((await w.verify(text)).code, 'VALID');
  });
});

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
    await assert.rejects(w.verify('sk_old_1'), code('verify_stale'));
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
    await assert.rejects(w.verify(text), code('log_epoch_changed'));
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
    await assert.rejects(async () => verifier.verify(context, { key: text }), code('log_epoch_changed'));
    assert.equal(verifier.cache.size, 0);
    const closed = verifier.close();
    await w.clock.advance(2_000);
    await closed;
  });

  it('are passed by when the log cannot say whether it holds what a row is of: streams are folded', async (t) => {
    const w = await started(t);
    let away = false;
    const facts: string[] = [];
    const verifier = w.makeVerifier({
      log: {
        head: () => w.log.head(),
        readStream: (stream) => w.log.readStream(stream),
        eventIdAt: (position) =>
          away ? Promise.reject(new Error('no route to the log')) : w.log.eventIdAt(position),
      },
      onFacts: (source) => facts.push(source),
    });
    verifier.start();
    await w.clock.advance(300);
    away = true;
    const { text } = await w.issue();
    const view = await verifier.verify({ tenant: TENANT, route: 'v', traceId: null }, { key: text });
    assert.deepEqual([view.code, facts, verifier.cache.size], ['VALID', ['fold'], 0]);
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

describe('callers of our own API', () => {
  it('are known by a management key, by the same rule', async (t) => {
    const w = await started(t);
    const { text, keyId } = await w.issue({ use: 'management', permissions: ['keys:*'] });
    assert.deepEqual(await w.verifier.authenticate(text), { tenant: TENANT, keyId, permissions: ['keys:*'] });
    await w.revoke(keyId);
    await w.clock.advance(500);
    await assert.rejects(async () => w.verifier.authenticate(text), code('credential_invalid'));
  });

  it('are refused with an api key, a foreign text, a wrong secret and a suspended tenant', async (t) => {
    const w = await started(t);
    const api = await w.issue();
    const good = await w.issue({ use: 'management' });
    const wrong = mintKey('live', good.keyId, new Uint8Array(32).fill(99));
    for (const text of [api.text, 'anything', wrong, '']) {
      await assert.rejects(async () => w.verifier.authenticate(text), code('credential_invalid'));
    }
    await w.append(tenantStream(TENANT), 'tenant.suspended', { reason: null }, TENANT);
    await w.clock.advance(500);
    await assert.rejects(async () => w.verifier.authenticate(good.text), code('tenant_suspended'));
  });
});
