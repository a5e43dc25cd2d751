import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshStream, newEvents } from '../../../test/contracts/event-log-fixtures.ts';
import { fakeClock, settled } from '../../../test/support/fake-clock.ts';
import type { AppendAnswer } from './append-call.ts';
import { appends } from './appends.ts';

test('a server that hangs holds up no append for longer than it may wait for its turn, and those that come get theirs in order', async () => {
  const clock = fakeClock();
  const sent: { readonly stream: string; answer(): void }[] = [];
  const { append, waiting } = appends({
    clock,
    turnTimeoutMs: 1_000,
    append: (stream) =>
      new Promise<AppendAnswer>((resolve) => {
        const position = { commit: 1n, prepare: 1n };
        sent.push({ stream, answer: () => resolve({ ok: true, revision: 0n, position }) });
      }),
    readStream: async () => [],
  });
  const asked = Array.from({ length: 1_000 }, () => append(freshStream(), 0, newEvents(1)));
  const answers = Promise.allSettled(asked);
  await settled();
  assert.deepEqual([sent.length, waiting()], [128, 1_000]);
  await clock.advance(1_000);
  assert.equal(waiting(), 128);

  const late = [freshStream(), freshStream()];
  const last = late.map((stream) => append(stream, 0, newEvents(1)));
  sent[0]!.answer();
  await settled();
  assert.deepEqual([sent.length, sent.at(-1)!.stream, waiting()], [129, late[0], 129]);
  for (let i = 1; i < 130; i++) {
    await settled();
    sent[i]!.answer();
  }
  await Promise.all(last);
  const refused = (await answers).filter((answer) => answer.status === 'rejected');
  assert.equal(refused.length, 1_000 - 128);
  assert.ok(refused.every(({ reason }) => reason.name === 'EventStoreUnavailable'));
  await settled();
  assert.deepEqual([waiting(), clock.sleepers()], [0, 0]);
});
