import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { NewEvent, StreamId } from '../../schemas/envelope.ts';
import { type UsageEvent, usageEvents } from '../../schemas/events/usage.ts';
import { fakeClock } from '../../test/support/fake-clock.ts';
import type { EventToEncode } from '../codec.ts';
import { MAX_BUFFERED_ROWS, UsageRecorder } from './usage-recorder.ts';

const TENANT = `tnt_${'0'.repeat(32)}`;

function keyId(n: number): string {
  return `key_${String(n).padStart(12, '0')}`;
}

function world() {
  const clock = fakeClock();
  const state = { away: false, loseAnswer: false, replaced: false, confirmed: 0 };
  const streams = new Map<StreamId, { ids: string[]; data: UsageEvent['data'][] }>();
  const encoded = new Map<string, EventToEncode>();
  const recorder = new UsageRecorder({
    clock,
    random: { bytes: (n) => new Uint8Array(n) },
    writer: 'w1',
    async confirm() {
      state.confirmed++;
      if (state.replaced) throw new Error('the log was replaced');
    },
    codec: {
      async encode(events) {
        return events.map((event) => {
          usageEvents['usage.recorded'].schema.parse(event.data);
          encoded.set(event.id, event);
          return {
            ...event,
            schemaVersion: 1,
            data: new Uint8Array(),
            metadata: new Uint8Array(),
          } as NewEvent;
        });
      },
    },
    log: {
      async append(stream, expected, events) {
        if (state.away) throw new Error('no route to the log');
        const held = streams.get(stream) ?? { ids: [], data: [] };
        const again = held.ids.indexOf(events[0]!.id);
        if (again >= 0 && again === expected) return { ok: true, version: again + 1, position: '' as never };
        if (expected !== held.ids.length) return { ok: false, actual: held.ids.length };
        held.ids.push(...events.map((e) => e.id));
        held.data.push(...events.map((e) => encoded.get(e.id)!.data as UsageEvent['data']));
        streams.set(stream, held);
        if (state.loseAnswer) throw new Error('the answer was lost');
        return { ok: true, version: held.ids.length, position: '' as never };
      },
    },
  });
  const told = () => [...streams.values()].flatMap((s) => s.data);
  const sum = () =>
    told()
      .flatMap((d) => d.counts)
      .reduce((n, c) => n + c.count, 0);
  return { clock, state, recorder, streams, told, sum };
}

describe('the usage recorder', () => {
  it('tells counts by key, code and route once a second, on a stream of its own', async () => {
    const { clock, recorder, streams, told } = world();
    recorder.start();
    for (let i = 0; i < 5; i++) recorder.record(TENANT, keyId(1), 'VALID', 'verify', null);
    recorder.record(TENANT, keyId(1), 'REVOKED', 'verify', 'trace-1');
    await clock.advance(999);
    assert.equal(streams.size, 0);
    await clock.advance(2);
    assert.deepEqual([...streams.keys()], [`usage-${TENANT}-2026-01-01-w1`]);
    assert.deepEqual(told(), [
      {
        writer: 'w1',
        minute: '2026-01-01T00:00:00.000Z',
        counts: [
          { keyId: keyId(1), code: 'VALID', route: 'verify', count: 5, lastAt: '2026-01-01T00:00:00.000Z' },
          { keyId: keyId(1), code: 'REVOKED', route: 'verify', count: 1, lastAt: '2026-01-01T00:00:00.000Z' },
        ],
        decisions: [
          {
            at: '2026-01-01T00:00:00.000Z',
            keyId: keyId(1),
            code: 'REVOKED',
            route: 'verify',
            traceId: 'trace-1',
          },
        ],
        decisionsDropped: 0,
      },
    ]);
    await clock.advance(3_000);
    assert.equal(told().length, 1, 'nothing to tell, nothing told');
    assert.equal(await recorder.close(), 0);
  });

  it('tells at once when 500 rows have come', async () => {
    const { clock, recorder, sum } = world();
    recorder.start();
    for (let i = 0; i < 500; i++) recorder.record(TENANT, keyId(i), 'VALID', 'verify', null);
    await clock.advance(1);
    assert.equal(sum(), 500);
    await recorder.close();
  });

  it('tells one VALID in a hundred singly, and at most 100 decisions a batch', async () => {
    const { recorder, told } = world();
    for (let i = 0; i < 1_000; i++) recorder.record(TENANT, keyId(1), 'VALID', 'verify', null);
    await recorder.flush();
    assert.equal(told()[0]!.decisions.length, 10);
    for (let i = 0; i < 250; i++) recorder.record(TENANT, keyId(1), 'EXPIRED', 'verify', null);
    await recorder.flush();
    assert.equal(told()[1]!.decisions.length, 100);
    assert.equal(told()[1]!.decisionsDropped, 150);
  });

  it('keeps minutes apart, and days in streams apart', async () => {
    const { clock, recorder, streams, told } = world();
    recorder.record(TENANT, keyId(1), 'VALID', 'verify', null);
    await clock.advance(60_000);
    recorder.record(TENANT, keyId(1), 'VALID', 'verify', null);
    await recorder.flush();
    assert.deepEqual(
      told().map((d) => d.minute),
      ['2026-01-01T00:00:00.000Z', '2026-01-01T00:01:00.000Z'],
    );
    await clock.advance(86_400_000);
    recorder.record(TENANT, keyId(1), 'VALID', 'verify', null);
    await recorder.flush();
    assert.equal(streams.size, 2);
  });

  it('merges while the log is away, drops new rows past its bound, and says how many', async () => {
    const { clock, state, recorder, sum } = world();
    recorder.start();
    state.away = true;
    for (let i = 0; i < MAX_BUFFERED_ROWS + 7; i++) {
      recorder.record(TENANT, keyId(i), 'VALID', 'verify', null);
      recorder.record(TENANT, keyId(0), 'VALID', 'verify', null);
    }
    await clock.advance(10_000);
    assert.equal(recorder.dropped, 7);
    assert.equal(recorder.bufferedRows, MAX_BUFFERED_ROWS);
    state.away = false;
    await clock.advance(3_000);
    assert.equal(sum(), 2 * MAX_BUFFERED_ROWS + 7);
    assert.equal(recorder.bufferedRows, 0);
    await recorder.close();
  });

  it('writes nothing to a log that may be another, and goes on when it is the one that is trusted', async () => {
    const { clock, state, recorder, sum, streams } = world();
    recorder.start();
    await clock.advance(3_000);
    assert.equal(state.confirmed, 0, 'nothing to tell, nothing asked');
    state.replaced = true;
    recorder.record(TENANT, keyId(1), 'VALID', 'verify', null);
    await clock.advance(10_000);
    assert.equal(streams.size, 0);
    assert.ok(state.confirmed >= 3);
    assert.equal(recorder.bufferedRows, 1);
    state.replaced = false;
    recorder.record(TENANT, keyId(1), 'VALID', 'verify', null);
    await clock.advance(3_000);
    assert.equal(sum(), 2);
    await recorder.close();
  });

  it('counts once what arrived although the answer was lost', async () => {
    const { state, recorder, sum, streams } = world();
    recorder.record(TENANT, keyId(1), 'VALID', 'verify', null);
    state.loseAnswer = true;
    assert.equal(await recorder.flush(), false);
    state.loseAnswer = false;
    recorder.record(TENANT, keyId(1), 'VALID', 'verify', null);
    assert.equal(await recorder.flush(), true);
    assert.equal(sum(), 2);
    assert.equal(streams.values().next().value!.ids.length, 2);
  });

  it('flushes when it is closed, and says how many rows are lost when the log is away', async () => {
    const kept = world();
    kept.recorder.record(TENANT, keyId(1), 'VALID', 'verify', null);
    assert.equal(await kept.recorder.close(), 0);
    assert.equal(kept.sum(), 1);
    const lost = world();
    lost.recorder.record(TENANT, keyId(1), 'VALID', 'verify', null);
    lost.state.away = true;
    assert.equal(await lost.recorder.close(), 1);
  });
});
