import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keyHistory } from '../../commands/keys/key-history.ts';
import { plainCodec } from '../../test/simulation/plain-codec.ts';
import { rejectedAs, started } from '../../test/support/started-verifier.ts';
import { TENANT } from '../../test/support/verify-world.ts';
import { confirmedReads } from './confirm-log.ts';

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

  it('tells no key that it never was', async (t) => {
    const w = await started(t);
    const { keyId } = await w.issue();
    await w.revoke(keyId);
    const reads = { log: confirmedReads(w.log, w.verifier.confirm), codec: plainCodec };
    const types = async () =>
      (await keyHistory(reads, TENANT, keyId, { after: null, limit: 9 }))?.entries.map(({ type }) => type);
    assert.deepEqual(await types(), ['key.issued', 'key.revoked']);
    w.log.truncateTail(1);
    await assert.rejects(types(), rejectedAs('log_epoch_changed'));
    w.log.truncateTail(w.count());
    await assert.rejects(types(), rejectedAs('log_epoch_changed'));
  });

  it('says what a log is that does not answer', async (t) => {
    const w = await started(t);
    w.state.logAway = true;
    await assert.rejects(w.verifier.confirm(null), rejectedAs('unavailable'));
    w.state.logAway = false;
    await w.verifier.confirm(null);
  });
});
