import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { streamId } from '../schemas/envelope.ts';
import { memoryEventLog } from '../test/engines/memory-event-log.ts';
import { plainCodec } from '../test/simulation/plain-codec.ts';
import { fakeClock, settled } from '../test/support/fake-clock.ts';
import { memoryReactorCheckpoints } from '../test/support/reactor-checkpoints.ts';
import { UndecodableEvent } from './codec.ts';
import type { StreamDecoder } from './decode-stream.ts';
import { uuidv5 } from './ids.ts';
import { adoptReactor, type Reactor, type ReactorHealth, runReactor } from './reactor.ts';

function reactorWorld(codec: StreamDecoder = plainCodec) {
  const clock = fakeClock();
  const log = memoryEventLog({ clock });
  const deps = { log, codec, clock, checkpoints: memoryReactorCheckpoints() };
  const given: { event: string; commandId: string }[] = [];
  const health: ReactorHealth[] = [];
  let failures = 0;
  let serial = 0;
  const reactor: Reactor = {
    name: 'test',
    types: new Set(['wanted']),
    async react(event, commandId) {
      if (failures > 0) {
        failures--;
        throw new Error('not now');
      }
      given.push({ event: event.id, commandId: commandId(streamId('target', 'a'), 0) });
    },
  };
  return {
    clock,
    log,
    deps,
    reactor,
    given,
    health,
    fail: (times: number) => {
      failures = times;
    },
    async append(type: string) {
      const id = uuidv5('event', String(++serial)) as never;
      const metadata = new TextEncoder().encode('{}');
      const event = {
        id,
        type,
        schemaVersion: 1,
        timeMs: clock.now(),
        nonce: new Uint8Array(16),
        data: metadata,
        metadata,
      };
      await log.append(streamId('source', 'a'), 'any', [event]);
      return id as string;
    },
    /** Runs it until the clock has moved by `ms`. */
    async run(ms = 5_000) {
      const stop = new AbortController();
      const running = runReactor(deps, reactor, { signal: stop.signal, changed: (h) => void health.push(h) });
      await clock.advance(ms);
      stop.abort();
      await clock.advance(1_000);
      await running;
      await settled();
    },
  };
}

describe('a reactor', () => {
  test('reacts to each event of its types once, in order, and goes on from where it stood', async () => {
    const { append, run, given, log, deps } = reactorWorld();
    const first = await append('wanted');
    await append('other');
    await run();
    const second = await append('wanted');
    await run();
    assert.deepEqual(
      given.map((g) => g.event),
      [first, second],
    );
    assert.equal((await deps.checkpoints.load('test'))?.position, log.events.at(-1)!.position);
  });

  test('that fails is tried again, and gives the same command ids', async () => {
    const { append, run, given, fail, health } = reactorWorld();
    await append('wanted');
    fail(2);
    await run();
    assert.equal(given.length, 1);
    assert.equal(health.filter((h) => h.state === 'retrying').length, 2);
    // From the start, as after a crash before the checkpoint was saved.
    const again = reactorWorld();
    await again.append('wanted');
    await again.run();
    assert.deepEqual(again.given, given);
  });

  test('is not held up by an event whose personal fields do not open', async () => {
    const { append, run, given } = reactorWorld({
      ...plainCodec,
      async decode([event]) {
        throw new UndecodableEvent(event!, 'reason does not open under its data key');
      },
    });
    await append('wanted');
    await run();
    assert.equal(given.length, 1);
  });

  test('two runners that meet give the same commands, and the checkpoint moves on', async () => {
    const { append, given, clock, deps, reactor, log } = reactorWorld();
    for (let i = 0; i < 5; i++) await append('wanted');
    const stop = new AbortController();
    const running = [1, 2].map(() => runReactor(deps, reactor, { signal: stop.signal }));
    await clock.advance(3_000);
    stop.abort();
    await clock.advance(1_000);
    await Promise.all(running);
    assert.equal(new Set(given.map((g) => g.commandId)).size, 5);
    assert.equal((await deps.checkpoints.load('test'))?.position, log.events.at(-1)!.position);
  });

  test('halts before it reacts to a history that is not the one it knows', async () => {
    const { append, run, given, health, log } = reactorWorld();
    await append('wanted');
    await run();
    log.newEpoch();
    await append('wanted');
    await run();
    assert.equal(given.length, 1);
    assert.equal(health.at(-2)?.state, 'halted');
  });

  test('halts also when the history is replaced while it runs', async () => {
    const { append, given, health, log, clock, deps, reactor } = reactorWorld();
    await append('wanted');
    const stop = new AbortController();
    const running = runReactor(deps, reactor, {
      signal: stop.signal,
      changed: (h) => void health.push(h),
    });
    await clock.advance(2_000);
    log.newEpoch();
    await append('wanted');
    await clock.advance(2_000);
    stop.abort();
    await clock.advance(1_000);
    await running;
    assert.equal(given.length, 1);
    assert.equal(health.at(-2)?.state, 'halted');
  });

  test('halts when the log has lost its tail and reuses the positions', async () => {
    const { append, run, given, health, log } = reactorWorld();
    await append('wanted');
    await append('wanted');
    await run();
    log.truncateTail(1);
    await append('wanted');
    await run();
    assert.equal(given.length, 2);
    const halted = health.find((h) => h.state === 'halted');
    assert.match(halted?.state === 'halted' ? halted.problem : '', /another event stands/);
  });

  test('goes on after a restore that lost nothing of what it saw, and from the start after one that did', async () => {
    const { append, run, given, log, deps } = reactorWorld();
    await append('wanted');
    await run();
    log.newEpoch();
    assert.equal(await adoptReactor(deps, 'test'), true);
    await append('wanted');
    await run();
    assert.equal(given.length, 2);
    log.truncateTail(1);
    log.newEpoch();
    await append('wanted');
    assert.equal(await adoptReactor(deps, 'test'), true);
    await run();
    // The first event again, with the command id that it gave before, and the one that is new.
    assert.equal(given.length, 4);
    assert.equal(given[2]!.commandId, given[0]!.commandId);
  });
});
