import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { personalWorld, TENANT } from '../../test/support/personal-world.ts';
import { ERASURE_WAIT_MS, eraseSubject } from './erase-subject.ts';

const erasedEvents = (log: ReturnType<typeof personalWorld>['log']) =>
  log.events.filter(({ type }) => type === 'subject.erased');

describe('erasing a subject', () => {
  it('closes the keys first, appends only when nobody can hold one, and names every key id', async (t) => {
    const { process, clock, log, eraseContext } = personalWorld(t);
    const here = process();
    const first = await here.dataKeys.active(TENANT, 'alice');
    await here.dataKeys.close(TENANT, 'alice');
    const second = await here.dataKeys.active(TENANT, 'alice');
    const erasing = eraseSubject(here, eraseContext('alice', 'r1'), { subject: 'alice' });
    await clock.advance(ERASURE_WAIT_MS - 1);
    assert.equal(erasedEvents(log).length, 0, 'a key may still be held somewhere');
    assert.notEqual((await here.dataKeys.active(TENANT, 'alice')).keyId, second.keyId, 'closed already');
    await clock.advance(1);
    const outcome = await erasing;
    assert(outcome.kind === 'accepted');
    assert.deepEqual(outcome.state.erasedKeyIds, [first.keyId, second.keyId].sort());
    assert(ERASURE_WAIT_MS > 5_000);
  });

  it('is carried out once and answered at once when it is repeated', async (t) => {
    const { process, clock, log, eraseContext } = personalWorld(t);
    const here = process();
    await here.note('alice', 'Alice');
    const erase = () => eraseSubject(here, eraseContext('alice', 'r1'), { subject: 'alice' });
    const first = erase();
    await clock.advance(ERASURE_WAIT_MS);
    const before = await first;
    const startedMs = clock.now();
    const again = await erase();
    assert.equal(clock.now(), startedMs);
    assert(again.kind === 'accepted' && before.kind === 'accepted');
    assert.equal(again.replayed, true);
    assert.equal(again.position, before.position);
    assert.equal(erasedEvents(log).length, 1);
  });

  it('is finished by a repeat wherever it stopped', async (t) => {
    // Steps of the store and the log that a process can die before or after.
    for (const dies of ['before closing', 'after closing', 'before the append', 'after the append']) {
      const { process, clock, log, eraseContext } = personalWorld(t);
      const dying = process((dataKeys) => ({
        ...dataKeys,
        async close(tenant, subject) {
          if (dies === 'before closing') throw new Error('died');
          const keyIds = await dataKeys.close(tenant, subject);
          if (dies === 'after closing') throw new Error('died');
          return keyIds;
        },
      }));
      const note = await dying.note('alice', 'Alice');
      const broken = {
        ...dying,
        log: {
          ...log,
          async append(...args: Parameters<typeof log.append>) {
            if (dies === 'before the append') throw new Error('died');
            const answer = await log.append(...args);
            if (dies === 'after the append') throw new Error('died');
            return answer;
          },
        },
      };
      const failed = assert.rejects(
        eraseSubject(broken, eraseContext('alice', 'r1'), { subject: 'alice' }),
        /died/,
      );
      await clock.advance(ERASURE_WAIT_MS + 1_000);
      await failed;

      const later = process();
      const follower = later.follow();
      const repeat = eraseSubject(later, eraseContext('alice', 'r1'), { subject: 'alice' });
      await clock.advance(ERASURE_WAIT_MS + 2_000);
      assert.equal((await repeat).kind, 'accepted', dies);
      assert.equal(erasedEvents(log).length, 1, dies);
      assert.deepEqual((await later.read(note)).erased, ['name'], dies);
      await follower.stop();
    }
  });

  it('twice by different requests names the keys again, so that a later one covers what came between', async (t) => {
    const { process, clock, log, eraseContext } = personalWorld(t);
    const here = process();
    await here.note('alice', 'Alice');
    for (const request of ['r1', 'r2']) {
      const erasing = eraseSubject(here, eraseContext('alice', request), { subject: 'alice' });
      await clock.advance(ERASURE_WAIT_MS);
      assert.equal((await erasing).kind, 'accepted');
    }
    assert.equal(erasedEvents(log).length, 2);
  });

  it('of somebody without keys says so in the log all the same', async (t) => {
    const { process, clock, eraseContext } = personalWorld(t);
    const here = process();
    const erasing = eraseSubject(here, eraseContext('nobody', 'r1'), { subject: 'nobody' });
    await clock.advance(ERASURE_WAIT_MS);
    const outcome = await erasing;
    assert(outcome.kind === 'accepted' && outcome.position !== null);
    assert.deepEqual(outcome.state.erasedKeyIds, []);
  });
});
