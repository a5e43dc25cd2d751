/** A projection that real Kafka feeds, over real Postgres, and what becomes of topics and members meanwhile. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { DecodedEvent } from '../../schemas/envelope.ts';
import { gate } from '../../test/contracts/feed-fixtures.ts';
import { fedProjection } from '../../test/support/fed-projection.ts';
import { until } from '../../test/support/platform-process.ts';
import { without } from '../../test/support/servers.ts';

const GROUP = 'versions.1.1';
const childScript = fileURLToPath(new URL('../../test/support/fed-projection-main.ts', import.meta.url));

describe('a projection on Kafka', { skip: without('kafka'), concurrency: true }, () => {
  test('joins, is read at a position, and outlives its runner and a trimmed topic', async (t) => {
    const w = await fedProjection(t);
    w.startRelay();
    await w.append(1);
    const one = w.start('one');
    await w.fed();
    for (let n = 2; n < 60; n++) await w.append(n);
    await w.checkAt(await w.append(60));
    assert.equal(one.health().partitions, 4);
    await one.stop();

    const last = await w.append(61);
    const two = w.start('two');
    await w.checkAt(last);
    await two.stop();

    for (let n = 62; n < 80; n++) await w.append(n);
    const trimmed = await w.append(80);
    await w.relayed(trimmed);
    const { offsets } = (await w.kafka.feed.ends(['keys', 'owners']))!;
    for (const { offset, ...partition } of offsets) await w.trim(1, partition, offset);
    w.start('three');
    await w.inLogMode();
    await w.checkAt(trimmed);
    await w.fed();
    await w.checkAt(await w.append(81));
  });

  test('a topic that was made anew and is longer than its places is noticed before anything is applied', async (t) => {
    const w = await fedProjection(t);
    const stopRelay = w.startRelay();
    const one = w.start('one');
    await w.fed();
    for (let n = 1; n < 6; n++) await w.append(n);
    await w.checkAt(await w.append(6));
    await one.stop();
    await w.relayed(await w.append(7));
    await stopRelay();
    await w.deleteTopic(1, 'keys');
    w.startRelay();
    let last = await w.append(8);
    // Each its own transaction: its offsets pass those that were.
    for (let n = 9; n < 40; n++) {
      last = await w.append(n);
      if (n % 4 === 0) await w.relayed(last);
    }
    await w.relayed(last);
    w.start('two');
    await w.inLogMode();
    await w.checkAt(last);
    await w.fed();
    await w.checkAt(await w.append(40));
  });

  test('a topic that is deleted while it is read is read on once it is there again', async (t) => {
    const w = await fedProjection(t);
    w.startRelay();
    w.start('one');
    await w.fed();
    for (let n = 1; n < 20; n++) await w.append(n);
    await w.checkAt(await w.append(20));
    await w.deleteTopic(1, 'keys');
    for (let n = 21; n < 30; n++) await w.append(n);
    await w.checkAt(await w.append(30));
    await w.fed();
    await w.checkAt(await w.append(31));
  });

  test('a batch in hand for longer than a rebalance waits is fenced, or counts, and never twice', async (t) => {
    const w = await fedProjection(t);
    w.startRelay();
    const { hold, begun, release } = holding();
    const one = w.start('one', hold);
    await w.fed();
    await w.checkAt(await w.append(1));
    await w.append(4, { hold: true });
    await until('its batch is in hand', () => begun() > 0);
    const two = w.start('two');
    await until('the other has partitions', () => (two.health().partitions ?? 0) > 0);
    await w.append(2);
    release();
    await w.append(7);
    await w.checkAt(await w.append(3));
    await until(
      'both share them again',
      () =>
        (one.health().partitions ?? 0) > 0 && (one.health().partitions ?? 0) + two.health().partitions! === 4,
    );
    await w.checkAt(await w.append(10));
  });

  test('one that is told to stop commits what is in hand and leaves its group', async (t) => {
    const w = await fedProjection(t);
    w.startRelay();
    const { hold, begun, release } = holding();
    const one = w.start('one', hold);
    await w.fed();
    const last = await w.append(1, { hold: true });
    await until('its batch is in hand', () => begun() > 0);
    const stopped = one.stop();
    release();
    await stopped;
    assert.equal(await w.members(GROUP), 0);
    assert.equal(begun(), 1);
    w.start('two', async (events) => {
      assert.ok(!events.some(({ data }) => (data as { hold?: true }).hold), 'it was committed');
    });
    await w.checkAt(last);
    await w.checkAt(await w.append(4));
  });

  test('when one is killed in the middle of a batch, another takes over, and nothing is lost or doubled', async (t) => {
    const w = await fedProjection(t);
    w.startRelay();
    const args = [childScript, w.brokers.join(','), w.prefix, w.url];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      said += text;
    });
    await w.fed();
    await w.checkAt(await w.append(1));
    for (const n of [4, 7]) await w.append(n, { hold: true });
    await until('its batch is in hand', () => said.includes('in hand'));
    const two = w.start('two');
    child.kill('SIGKILL');
    for (const n of [2, 3, 10]) await w.append(n);
    await w.checkAt(await w.append(13));
    await until('it has all partitions', () => two.health().partitions === 4);
  });
});

/** Work that stays in hand from the first event that says so until it is released. */
function holding() {
  const [held, release] = gate();
  let begun = 0;
  const hold = async (events: readonly DecodedEvent[]): Promise<void> => {
    if (!events.some(({ data }) => (data as { hold?: true }).hold)) return;
    begun += 1;
    await held;
  };
  return { hold, begun: () => begun, release };
}
