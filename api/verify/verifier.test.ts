import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mintKey } from '../../commands/keys/key-format.ts';
import { tenantStream } from '../../commands/streams.ts';
import { verifyViewSchema } from '../../schemas/views/verify.ts';
import { burst, rejectedAs, started } from '../../test/support/started-verifier.ts';
import { TENANT } from '../../test/support/verify-world.ts';

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
    await assert.rejects(w.verify(text, { requestId: 'r1', limits: [] }), rejectedAs('request_id_reused'));
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
});

describe('callers of our own API', () => {
  it('are known by a management key, by the same rule', async (t) => {
    const w = await started(t);
    const { text, keyId } = await w.issue({ use: 'management', permissions: ['keys:*'] });
    assert.deepEqual(await w.verifier.authenticate(text), {
      tenant: TENANT,
      keyId,
      use: 'management',
      environment: null,
      ownerId: null,
      permissions: ['keys:*'],
    });
    await w.revoke(keyId);
    await w.clock.advance(500);
    await assert.rejects(async () => w.verifier.authenticate(text), rejectedAs('credential_invalid'));
  });

  it('are refused with an api key, a foreign text, a wrong secret and a suspended tenant', async (t) => {
    const w = await started(t);
    const api = await w.issue();
    const good = await w.issue({ use: 'management' });
    const wrong = mintKey('live', good.keyId, new Uint8Array(32).fill(99));
    for (const text of [api.text, 'anything', wrong, '']) {
      await assert.rejects(async () => w.verifier.authenticate(text), rejectedAs('credential_invalid'));
    }
    await w.append(tenantStream(TENANT), 'tenant.suspended', { reason: null }, TENANT);
    await w.clock.advance(500);
    await assert.rejects(async () => w.verifier.authenticate(good.text), rejectedAs('tenant_suspended'));
  });
});
