import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type CommandId, type Recorded, streamId, type TenantId } from '../schemas/envelope.ts';
import { memoryEventLog } from '../test/engines/memory-event-log.ts';
import { plainCodec } from '../test/simulation/plain-codec.ts';
import { fakeClock } from '../test/support/fake-clock.ts';
import { countingRandom } from '../test/support/keys-world.ts';
import { UndecodableEvent } from './codec.ts';
import { type Decider, reject } from './decider.ts';
import { InvalidAppend } from './event-log.ts';
import { type CommandContext, type Execution, execute } from './execute.ts';
import { uuidv5 } from './ids.ts';

/** Counts up to a most; adding nothing changes nothing. */
type Added = { readonly type: 'added'; readonly data: { readonly by: number } };
interface Add {
  readonly by: number;
  readonly most: number;
}
const counter: Decider<number, Add, Added> = {
  initial: 0,
  evolve: (total, event) => total + event.data.by,
  decide: ({ by, most }, total) => {
    if (total + by > most) return reject({ code: 'conflict', detail: 'too many' });
    return { accept: by === 0 ? [] : [{ type: 'added', data: { by } }] };
  },
};
const stream = streamId('counter', 'a');

function executeWorld(turn?: (label: string) => Promise<void>) {
  const clock = fakeClock();
  const log = memoryEventLog({ clock, turn });
  const deps = { log, codec: plainCodec, clock, random: countingRandom() };
  const context = (id: string, requestDigest: string | null = null): CommandContext => ({
    commandId: uuidv5('test', id) as CommandId,
    tenant: 'tnt_a' as TenantId,
    actor: 'key_a',
    requestDigest,
    correlationId: id,
    causationId: null,
    traceparent: null,
  });
  const add = (id: string, by = 1, more: Partial<Execution<number, Add, Added>> = {}) =>
    execute(deps, {
      decider: counter,
      stream,
      context: context(id),
      command: () => ({ by, most: 100 }),
      ...more,
    });
  return { clock, log, deps, context, add };
}

const eachTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('execute', () => {
  test('answers a handled command from its own events, whatever came after', async () => {
    const { add, log } = executeWorld();
    const first = await add('one', 5);
    await add('two', 7);
    const again = await add('one', 5);
    assert.ok(first.kind === 'accepted' && again.kind === 'accepted');
    const { replayed, ...rest } = again;
    assert.equal(replayed, true);
    assert.deepEqual([rest.state, rest.version, rest.position], [first.state, first.version, first.position]);
    assert.deepEqual(
      rest.events.map((e) => e.data),
      first.events.map((e) => e.data),
    );
    assert.equal(log.events.length, 2);
  });

  test('decides a rejected command anew, and a creation only after it has read what is there', async () => {
    const { add, deps, context } = executeWorld();
    const creating = { creates: true };
    await add('one', 5, creating);
    // Refused on an empty stream, but handled: the log knows better than the assumption.
    const again = await add('one', 5, { ...creating, command: () => ({ by: 5, most: 0 }) });
    assert.ok(again.kind === 'accepted' && again.replayed);
    const other = await add('two', 5, { ...creating, command: () => ({ by: 5, most: 0 }) });
    assert.equal(other.kind === 'rejected' && other.rejection.code, 'conflict');
    const later = await execute(deps, {
      decider: counter,
      stream,
      context: context('two'),
      command: () => ({ by: 5, most: 10 }),
    });
    assert.ok(later.kind === 'accepted' && later.state === 10);
  });

  test('tells a refusal before a version that does not match, and that before nothing to do', async () => {
    const { add } = executeWorld();
    await add('one', 5);
    const refused = await add('two', 500, { ifVersion: 9 });
    assert.equal(refused.kind === 'rejected' && refused.rejection.code, 'conflict');
    for (const by of [0, 1]) {
      const stale = await add(`three ${by}`, by, { ifVersion: 9 });
      assert.equal(stale.kind === 'rejected' && stale.rejection.code, 'precondition_failed');
    }
    const right = await add('four', 1, { ifVersion: 1 });
    assert.equal(right.kind, 'accepted');
  });

  test('asks, before it says that nothing changes, whether the log is the one that was read', async () => {
    const { add, deps, log, context } = executeWorld();
    await add('one', 5);
    const asked: unknown[] = [];
    const asking = {
      ...deps,
      async confirm(last: unknown) {
        asked.push(last);
        throw new Error('the log was replaced');
      },
    };
    const run = (id: string, by: number, more: Partial<Execution<number, Add, Added>> = {}) =>
      execute(asking, {
        ...{ decider: counter, stream, context: context(id), command: () => ({ by, most: 100 }) },
        ...more,
      });
    assert.equal((await run('two', 1)).kind, 'accepted');
    assert.equal((await run('two', 1)).kind, 'accepted', 'its events are there');
    assert.deepEqual(asked, []);
    for (const [by, more] of [[500], [0], [1, { ifVersion: 9 }]] as const) {
      await assert.rejects(run(`three ${by}`, by, more), /the log was replaced/);
    }
    const { position, id: eventId } = log.events.at(-1)!;
    assert.deepEqual(asked, Array(3).fill({ position, eventId }));
    await assert.rejects(run('four', 500, { stream: streamId('counter', 'none') }), /the log was replaced/);
    assert.equal(asked.at(-1), null);
  });

  test('lets many writers at one stream through, each once', async () => {
    const { add, log, clock } = executeWorld(eachTurn);
    const all = Promise.all(Array.from({ length: 6 }, (_, i) => add(`writer ${i}`)));
    let done = false;
    void all.then(() => {
      done = true;
    });
    while (!done) await clock.advance(100);
    const outcomes = await all;
    assert.ok(outcomes.every((outcome) => outcome.kind === 'accepted'));
    assert.equal(log.events.length, 6);
  });

  test('answers `contended` after so many conflicts, and has done nothing', async () => {
    const { add, log, deps, clock } = executeWorld();
    deps.log.append = async () => ({ ok: false, actual: 1 });
    let outcome: Awaited<ReturnType<typeof add>> | undefined;
    void add('one').then((o) => {
      outcome = o;
    });
    while (outcome === undefined) await clock.advance(100);
    assert.equal(outcome.kind === 'rejected' && outcome.rejection.code, 'contended');
    assert.equal(log.events.length, 0);
  });

  test('gives the decision a time that is not before the stream’s last event', async () => {
    const { add, deps, clock } = executeWorld();
    await clock.advance(60_000);
    await add('one');
    const lastMs = clock.now();
    const seen: number[] = [];
    const behind = { ...deps, clock: { ...clock, now: () => lastMs - 30_000 } };
    await execute(behind, {
      decider: counter,
      stream,
      context: { ...executeWorld().context('two') },
      command: ({ nowMs }) => {
        seen.push(nowMs);
        return { by: 1, most: 100 };
      },
    });
    assert.deepEqual(seen, [lastMs]);
    assert.equal(deps.log.events.at(-1)!.timeMs, lastMs);
  });

  test('tells what is too large as a refusal, and every other fault of an append as one', async () => {
    const { add, deps } = executeWorld();
    deps.log.append = async () => {
      throw new InvalidAppend('event_too_large', 'too large');
    };
    const outcome = await add('one');
    assert.equal(outcome.kind === 'rejected' && outcome.rejection.code, 'event_too_large');
    deps.log.append = async () => {
      throw new InvalidAppend('duplicate_id', 'an id twice');
    };
    await assert.rejects(add('two'), /an id twice/);
  });

  test('of a stream that cannot be read says that it is parked', async () => {
    const { add, deps } = executeWorld();
    await add('one');
    const refuse = (event: Recorded) => {
      throw new UndecodableEvent(event, 'data is not what its schema says');
    };
    deps.codec = {
      ...plainCodec,
      async decode([event]) {
        return refuse(event!);
      },
      decodePublic: refuse,
    };
    await assert.rejects(add('two'), /stream_parked/);
  });
});
