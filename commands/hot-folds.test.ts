import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type CommandId, type StreamId, streamId } from '../schemas/envelope.ts';
import { countingDecider, hotWorld, OTHER_TENANT, OWN_TENANT } from '../test/support/hot-world.ts';
import { personalWorld, TENANT } from '../test/support/personal-world.ts';
import type { Decider } from './decider.ts';
import { execute } from './execute.ts';
import { HotFolds } from './hot-folds.ts';
import { uuidv5 } from './ids.ts';

function keptWorld(hot = new HotFolds()) {
  return { hot, ...hotWorld([hot]) };
}

describe('hot folds', () => {
  test('ask the log for what came after the one that is kept, and decode nothing else', async () => {
    const { add, reads, decoded, hot } = keptWorld();
    for (const id of ['one', 'two', 'three', 'four']) await add(id, { by: 2 });
    assert.deepEqual(reads, [0, 0, 0, 1], 'an empty stream is not kept');
    assert.equal(decoded(), 0 + 1 + 1 + 1 + 4, 'each once when it was read, and once for its own answer');
    assert.equal((await add('five', { by: 0 })).state, 8);
    const { folds, hits, misses } = hot.gauges();
    assert.deepEqual([folds, hits, misses], [1, 3, 2]);
  });

  test('a command that was handled is answered from its events, by a whole fold', async () => {
    const { add, reads, log } = keptWorld();
    const first = await add('one', { by: 5 });
    await add('two', { by: 7 });
    await add('three', { by: 1 });
    assert.deepEqual(await add('one', { by: 5 }), { ...first, replayed: true });
    assert.equal((await add('two', { by: 7, requestDigest: 'another' })).code, 'idempotency_mismatch');
    assert.equal(log.events.length, 3);
    assert.deepEqual(reads.slice(-4), [1, 0, 2, 0]);
  });

  test('a log that lost its tail, or holds something else there, is folded anew before anything is decided', async () => {
    const { add, append, log, hot } = keptWorld();
    for (const id of ['one', 'two', 'three']) await add(id, { by: 10 });
    await add('seen', { by: 0 });
    log.truncateTail(1);
    assert.equal((await add('fits', { by: 80 })).state, 100, 'the third is gone');
    log.truncateTail(2);
    await append('another', 60);
    assert.equal((await add('fits too', { by: 30 })).state, 100, 'the second is another');
    log.truncateTail(2);
    await append('more', 75);
    assert.equal((await add('too many', { by: 20 })).code, 'conflict', 'and again');
    log.truncateTail(2);
    assert.equal((await add('empty', { by: 0 })).version, 0);
    assert.equal(hot.gauges().folds, 0);
  });

  test('an event that is sent once more after the log lost it does not stand for what stood before it', async () => {
    const { add, append, log, stream } = keptWorld();
    await append('elsewhere', 1, { stream: streamId('counter', 'b') });
    await add('one', { by: 10 });
    await add('two', { by: 20 });
    await add('seen', { by: 0 });
    const lost = log.events.at(-1)!;
    log.truncateTail(3);
    await append('another', 1);
    await log.append(stream, 1, [lost]);
    assert.equal((await add('again', { by: 0 })).state, 21);
  });

  test('another tenant’s stream is as one that does not exist, kept or not', async () => {
    const { add, decoded, hot } = keptWorld();
    const own = { ownOnly: true };
    await add('one', { by: 5, ...own });
    await add('two', { by: 5, ...own });
    await add('seen', { by: 0, ...own });
    const before = [decoded(), hot.gauges().folds];
    const foreign = { by: 0, tenant: OTHER_TENANT, ...own };
    // Nor does a command of its own that was handled tell of itself.
    for (const id of ['three', 'one']) {
      const { state, version, replayed } = await add(id, foreign);
      assert.deepEqual([state, version, replayed], [0, 0, false]);
    }
    assert.deepEqual([decoded(), hot.gauges().folds], before);
    assert.equal((await add('four', { by: 0, ...own })).state, 10);

    const cold = keptWorld();
    await cold.append('one', 5);
    assert.equal((await cold.add('two', foreign)).state, 0);
    assert.deepEqual(
      [cold.hot.gauges().folds, cold.decoded()],
      [0, 0],
      'whoever does not own it keeps nothing',
    );
  });

  test('a stream with an event that cannot be read is not kept, discarded or not', async () => {
    const { add, spoil, discard, reads, hot } = keptWorld();
    await add('one', { by: 5 });
    await add('two', { by: 5 });
    await spoil();
    for (let i = 0; i < 2; i++) await assert.rejects(add('three', { by: 1 }), /cannot be read/);
    await discard(3);
    assert.equal((await add('three', { by: 1 })).state, 11);
    assert.equal((await add('four', { by: 1 })).state, 12);
    assert.deepEqual(reads.slice(-4), [0, 0, 0, 0]);
    assert.equal(hot.gauges().folds, 0);
  });

  test('of two folds at once the one that saw less does not replace the other', async () => {
    const { add, hold, decoded } = keptWorld();
    await add('one', { by: 1 });
    await add('two', { by: 1 });
    const { reading, release } = hold();
    const early = add('early', { by: 0 });
    await reading;
    await add('three', { by: 1 });
    await add('four', { by: 1 });
    await add('seen', { by: 0 });
    release();
    assert.equal((await early).state, 2, 'what a whole fold would have found when it asked');
    const before = decoded();
    assert.equal((await add('five', { by: 0 })).state, 4);
    assert.equal(decoded(), before, 'the later one is kept');
  });

  test('the state of another decider is not used', async () => {
    const { add } = keptWorld();
    await add('one', { by: 3 });
    await add('two', { by: 3 });
    const fixed = { ...countingDecider, evolve: () => 50 };
    assert.equal((await add('three', { by: 0, decider: fixed })).state, 50);
    assert.equal((await add('four', { by: 0 })).state, 6);
  });

  test('what is kept has bounds, and the least recently used goes first', async () => {
    const use = async (hot: HotFolds, names: readonly string[]) => {
      const { add, append } = keptWorld(hot);
      const streams = names.map((name) => streamId('counter', name));
      for (const stream of new Set(streams)) await append(`first ${stream}`, 1, { stream });
      for (const [i, stream] of streams.entries()) await add(`use ${i}`, { by: 0, stream });
      return hot.gauges();
    };
    const names = ['a', 'b', 'a', 'c', 'a', 'b'];
    const { bytes } = await use(new HotFolds(), ['a']);
    assert.ok(bytes > 100);
    const expected = { folds: 2, bytes: 2 * bytes, hits: 2, misses: 4 };
    assert.deepEqual(await use(new HotFolds({ maxFolds: 2 }), names), expected);
    assert.deepEqual(await use(new HotFolds({ maxBytes: 2 * bytes }), names), expected);
    const none = { folds: 0, bytes: 0, hits: 0, misses: 2 };
    assert.deepEqual(await use(new HotFolds({ maxBytesPerFold: bytes - 1 }), ['a', 'a']), none);
    const dropped = new HotFolds();
    await use(dropped, ['a']);
    dropped.drop();
    assert.deepEqual(dropped.gauges(), { folds: 0, bytes: 0, hits: 0, misses: 1 });
  });

  test('nothing personal is in what is kept, told or answered, not even by the command that wrote it', async (t) => {
    type Renamed = {
      readonly type: string;
      readonly data: { readonly ownerId: null; readonly name: string | null };
    };
    const told: unknown[] = [];
    const renames: Decider<readonly (string | null)[], string, Renamed> = {
      initial: [],
      evolve: (names, event) => [...names, event.data.name],
      decide(name, names) {
        told.push(...names);
        return { accept: [{ type: 'key.renamed', data: { ownerId: null, name } }] };
      },
    };
    const deps = personalWorld(t).process();
    const hot = new HotFolds();
    const rename = (id: string) =>
      execute(deps, {
        decider: renames,
        stream: 'key-a' as StreamId,
        context: {
          commandId: uuidv5('test', id) as CommandId,
          tenant: TENANT,
          actor: 'key_a',
          requestDigest: null,
          correlationId: id,
          causationId: null,
          traceparent: null,
        },
        command: () => `Ann ${id}`,
        hot,
      });
    const answers = [await rename('one'), await rename('two'), await rename('three'), await rename('two')];
    assert.ok(hot.gauges().hits > 0);
    assert.ok(deps.log.events.length === 3 && told.length === 3);
    assert.ok(told.every((name) => name === null));
    assert.ok(!JSON.stringify(answers).includes('Ann'));
    const [, second, , again] = answers;
    assert.ok(second?.kind === 'accepted' && again?.kind === 'accepted' && again.replayed);
    assert.deepEqual(
      [again.state, again.events.map((e) => e.data)],
      [second.state, second.events.map((e) => e.data)],
    );
  });

  test('change no outcome and no log, whatever is lost, replaced, spoiled, discarded and sent again', async () => {
    const hits: number[] = [];
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 40 }), async (steps) => {
        const kept = [new HotFolds(), new HotFolds({ maxFolds: 1 })];
        const [with_, without] = [hotWorld(kept), hotWorld([null, null])];
        for (const [index, one] of steps.entries()) {
          assert.deepEqual(await take(with_, one, index), await take(without, one, index));
          assert.deepEqual(with_.log.events, without.log.events);
        }
        hits.push(kept[0]!.gauges().hits);
      }),
      { numRuns: 400, seed: 7 },
    );
    assert.ok(hits.reduce((a, b) => a + b) > 400, `only ${hits.length} schedules used what is kept`);
  });
});

const streams = ['a', 'b'].map((name) => streamId('counter', name));
const tenants = [OWN_TENANT, OTHER_TENANT];
const command = fc.record({
  command: fc.nat(7),
  by: fc.constantFrom(0, 1, 30),
  process: fc.nat(1),
  stream: fc.constantFrom(streams[0]!, streams[0]!, streams[0]!, streams[1]!),
  tenant: fc.constantFrom(OWN_TENANT, OWN_TENANT, OTHER_TENANT),
  ownOnly: fc.boolean(),
  ifVersion: fc.option(fc.nat(5), { freq: 4, nil: undefined }),
  requestDigest: fc.constantFrom('same', 'same', 'same', 'other'),
});
const restore = fc.record({
  lost: fc.integer({ min: 1, max: 4 }),
  others: fc.array(fc.constantFrom(...tenants), { maxLength: 4 }),
});
const step = fc.oneof(
  { weight: 20, arbitrary: command },
  { weight: 2, arbitrary: restore },
  { weight: 1, arbitrary: fc.record({ spoil: fc.constant(true) }) },
  { weight: 2, arbitrary: fc.record({ discard: fc.integer({ min: 1, max: 8 }) }) },
);

/** What somebody was told, or what was thrown; null where nobody was asked. */
async function take(
  { add, append, spoil, discard, log, clock }: ReturnType<typeof hotWorld>,
  one: typeof step extends fc.Arbitrary<infer T> ? T : never,
  index: number,
): Promise<unknown> {
  await clock.advance(1_000);
  if ('command' in one) return add(`command ${one.command}`, one).catch((error: Error) => error.message);
  if ('spoil' in one) await spoil(`spoiled ${index}`);
  if ('discard' in one) await discard(one.discard, `discard ${index}`);
  if ('lost' in one) {
    log.truncateTail(one.lost);
    for (const [i, tenant] of one.others.entries()) await append(`other ${index} ${i}`, 7, { tenant });
  }
  return null;
}
