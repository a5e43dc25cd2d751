import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rejectedAs, started } from '../../test/support/started-verifier.ts';

/** Keys are folded from the log, which comes back with nothing before anyone has looked. */
async function emptied(t: Parameters<typeof started>[0]) {
  const w = await started(t);
  const key = await w.issue();
  const admin = await w.issue({ use: 'management' });
  for (const { text } of [key, admin]) await w.verify(text);
  assert.equal((await w.verifier.authenticate(admin.text)).keyId, admin.keyId);
  w.state.pollsAway = w.state.rowsAway = w.state.logAway = true;
  await w.clock.advance(6_000);
  await assert.rejects(w.verify(key.text), rejectedAs('verify_stale'));
  w.log.truncateTail(w.count());
  w.state.logAway = false;
  return { w, key, admin };
}

describe('a log that comes back without its last events', () => {
  it('denies no key', async (t) => {
    const { w, key } = await emptied(t);
    await assert.rejects(w.verify(key.text), rejectedAs('log_epoch_changed'));
    await w.clock.advance(1_000);
    await assert.rejects(w.verify(key.text), rejectedAs('log_epoch_changed'));
  });

  it('denies no caller', async (t) => {
    const { w, admin } = await emptied(t);
    await assert.rejects(async () => w.verifier.authenticate(admin.text), rejectedAs('log_epoch_changed'));
  });

  it('denies none under a new epoch', async (t) => {
    const { w, key } = await emptied(t);
    w.log.newEpoch();
    await assert.rejects(w.verify(key.text), rejectedAs('log_epoch_changed'));
  });

  it('is known by what was folded from it, where the read model had not come as far', async (t) => {
    const w = await started(t);
    const { text, keyId } = await w.issue();
    w.state.projected = w.count();
    await w.clock.advance(6_000);
    await w.revoke(keyId);
    await w.clock.advance(5_100);
    assert.equal((await w.verify(text)).code, 'REVOKED');
    w.log.truncateTail(1);
    await w.clock.advance(1_000);
    await assert.rejects(w.verify(text), rejectedAs('log_epoch_changed'));
  });
});
